"""Planted cohorts as stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.study.config import StudyConfig
from cape_fed.study.run import run_study
from tests.study.conftest import SETTINGS


@pytest.mark.slow
def test_planted_cohorts_are_made_once_and_probed(tmp_path: Path) -> None:
    question = {
        "title": "Which?", "reference": "random", "across": "planted=none,padding", "artefacts": "one at a time",
        "levels": {"random": "batching=random"}, "beside": {"untrained": "pretraining=untrained"},
    }  # fmt: skip
    settings = [*SETTINGS, "planted_patients=40"]
    planting = StudyConfig.model_validate({"title": "P", "settings": settings, "questions": {"which": question}})
    with pytest.raises(InputError, match=r"no planted artefact 'rust': choose one of none, gain, mains"):
        run_study(planting, ["planted=rust"], tmp_path / "out")
    sized = planting.questions["which"].model_copy(
        update={"artefacts": "no", "across": ("planted=none", "planted_patients=40,50")}
    )
    with pytest.raises(InputError, match="planted_patients takes one value, not 40, 50"):
        run_study(planting.model_copy(update={"questions": {"which": sized}}), [], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    results = run_study(planting, [], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "planted").iterdir()) == [
        f"{condition}-{letter}" for condition in ("none", "padding") for letter in "abcde"
    ]
    answer = results.answers["which"]
    assert answer.artefacts == ["padding"]
    assert list(answer.carried) == ["random", "untrained"]
    assert answer.carried["untrained"][0].point > 0.2  # padding shows before anything is learnt
