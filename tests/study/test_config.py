"""Study files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.study.config import read_study


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
