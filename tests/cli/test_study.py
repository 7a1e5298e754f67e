"""The command ``study``: the directory, the questions and the settings it hands on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cape_fed.cli.main import run

Output = pytest.CaptureFixture[str]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the study was asked to run; nothing is trained."""
    calls: list[Any] = []

    def run_study(study: Any, overrides: list[str], out: Path, **options: Any) -> Any:
        options["progress"](1, 2, {"failure": "cell 2 ran out of memory"})
        calls.append(SimpleNamespace(study=study, overrides=overrides, out=out, **options))
        return SimpleNamespace(model_dump_json=lambda indent: '{"answers": {}}')

    monkeypatch.setattr("cape_fed.study.run.run_study", run_study)
    return calls


def test_the_directory_is_separated_from_the_settings(called: list[Any], tmp_path: Path, capsys: Output) -> None:
    arguments = ["study", "batching", "data.train=[a]", f"out={tmp_path}", "seed=1,2", "--question", "norm", "--json"]
    assert run([*arguments, "--workers", "3"]) == 0
    (call,) = called
    assert call.overrides == ["data.train=[a]", "seed=1,2"]
    assert (call.out, call.workers, call.ray, call.resume) == (tmp_path, 3, None, False)
    assert list(call.study.questions) == ["norm"]
    printed, notes = capsys.readouterr()
    assert printed == '{"answers": {}}\n'
    assert notes == "a cell failed: cell 2 ran out of memory\n"


@pytest.mark.parametrize("directory", [[], ["out="], ["out=a", "out=b"]])
def test_one_directory_has_to_be_named(directory: list[str], called: list[Any], capsys: Output) -> None:
    assert run(["study", "batching", "data.train=[a]", *directory]) == 2
    assert "out=DIR" in capsys.readouterr().err
    assert called == []
