"""Study files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cape_fed.errors import InputError
from cape_fed.study.config import read_study


@pytest.mark.parametrize(
    ("level", "reference", "says"),
    [
        ("new", "newer", "cannot be measured: the question q compares its other levels with old"),
        ("old", "old", "cannot be measured"),
        ("newest", "old", "is about levels that no question has"),
    ],
)
def test_a_claim_that_can_never_be_measured_is_refused(tmp_path: Path, level: str, reference: str, says: str) -> None:
    levels = {"old": "seed=0", "new": "seed=1", "newer": "seed=2"}
    claim = {"text": "It does.", "question": "q", "level": level, "reference": reference, "measure": "auroc/ood"}
    plain = {
        "title": "S", "questions": {"q": {"title": "Q", "reference": "old", "levels": levels}},
        "claims": [{**claim, "higher": True, "margin": 0.01}],
    }  # fmt: skip
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(plain))
    with pytest.raises(InputError, match=f"the claim 'It does.' {says}") as caught:
        read_study(str(tmp_path / "own.yaml"))
    assert "\n" not in str(caught.value)


def test_study_files(tmp_path: Path) -> None:
    for name in ("batching", "composition", "federation", "leave-one-out", "worlds"):
        assert read_study(name).questions
    with pytest.raises(
        InputError, match="no study 'magic': choose one of batching, composition, federation, leave-one-out, worlds"
    ):
        read_study("magic")
    (tmp_path / "own.yaml").write_text("title: x\nquestions: {a: {title: y, reference: z, levels: {w: seed=1}}}\n")
    with pytest.raises(InputError, match="the reference 'z' is none of the levels w"):
        read_study(str(tmp_path / "own.yaml"))
    with pytest.raises(InputError, match="no question 'b' in this study"):
        read_study("batching").only(["b"])
