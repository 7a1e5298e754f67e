"""``results.json`` is strict JSON that comes back as it was, and only what this version wrote is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.results import Estimate, read_results, write_json
from tests.evaluate.conftest import Evaluated


def test_results_come_back_as_they_were(evaluated: Evaluated) -> None:
    read = read_results(evaluated.folder / "good")
    assert read.model_dump(mode="json") == evaluated.good.model_dump(mode="json")
    assert list(read.methods()) == ["good", "random-init", "demographics"]


def test_numbers_that_json_does_not_know_are_null(tmp_path: Path) -> None:
    write_json(Estimate(metric="auroc", point=float("nan"), low=float("-inf"), high=0.5), tmp_path / "x.json")
    found = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert found == {"metric": "auroc", "point": None, "low": None, "high": 0.5}


def test_no_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no results\.json in .*: run cape-fed evaluate"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lambda plain: plain | {"format": 2}, "at format"),
        (lambda plain: plain | {"more": 1}, "at more"),
        (lambda plain: {key: value for key, value in plain.items() if key != "summary"}, "at summary"),
    ],
)
def test_results_of_another_kind_say_where(evaluated: Evaluated, tmp_path: Path, damage: object, where: str) -> None:
    shutil.copy(evaluated.folder / "good" / "results.json", tmp_path)
    plain = json.loads((tmp_path / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps(damage(plain)))  # type: ignore[operator]
    with pytest.raises(InputError, match=f"{where}.*evaluate again"):
        read_results(tmp_path)


def test_a_file_that_was_cut_off_is_refused(evaluated: Evaluated, tmp_path: Path) -> None:
    whole = (evaluated.folder / "good" / "results.json").read_text()
    (tmp_path / "results.json").write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not the results of an evaluation"):
        read_results(tmp_path)
