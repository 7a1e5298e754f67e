"""Artefacts are set against the control."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.statistics.effects import holm
from cape_fed.study.analysis import answer
from cape_fed.study.config import StudyConfig
from cape_fed.study.plan import PlannedTrial, make_plan
from cape_fed.study.results import Answer
from cape_fed.study.sites import Sites
from tests.study.outcomes import PLANTED, outcomes


def test_artefacts_one_at_a_time_are_against_the_control_of_the_same_method() -> None:
    study = artefacts("one at a time")
    plan = make_plan(study, [], Path("out"), PLANTED)

    def significant(planned: PlannedTrial) -> dict[str, float]:
        carried = STRENGTH.get((planned.level, planned.trial.keys.planted or ""), 0.0)
        return {"probe/linear": (0.6 if planned.level == "idb" else 0.3) + carried + 0.01 * planned.seed}

    check_carried(answer(study, plan, outcomes(plan, significant), {})["which"])


def test_artefacts_together_are_against_the_control_of_the_same_encoder() -> None:
    study = artefacts("together")
    plan = make_plan(study, [], Path("out"), {**PLANTED, "all": Sites(train=(Path("all"),))})
    assert all(planned.trial.artefacts.keys() == {*PLANTED, "all"} for planned in plan)

    def significant(planned: PlannedTrial) -> dict[str, float]:
        base = (0.6 if planned.level == "idb" else 0.3) + 0.01 * planned.seed
        return {f"artefact/{name}": base + STRENGTH.get((planned.level, name), 0.0) for name in PLANTED}

    check_carried(answer(study, plan, outcomes(plan, significant), {})["which"])


@pytest.mark.parametrize("kind", ["one at a time", "together"])
def test_artefacts_are_looked_for_in_one_setting(kind: str) -> None:
    planted = {**PLANTED, "all": Sites(train=(Path("all"),))}
    with pytest.raises(InputError, match="question which looks for artefacts in one setting: give one value to norm"):
        make_plan(artefacts(kind), ["norm=group,batch"], Path("out"), planted)


def artefacts(kind: str) -> StudyConfig:
    across = "planted=none,padding,gain" if kind == "one at a time" else "planted=all"
    question = {
        "title": "Which?",
        "reference": "random",
        "across": across,
        "levels": {"random": "batching=random", "idb": "batching=idb"},
        "artefacts": kind,
    }
    settings = ["experiment=study", "seed=range(4)"]
    return StudyConfig.model_validate({"title": "A", "settings": settings, "questions": {"which": question}})


STRENGTH = {("random", "padding"): 0.4, ("idb", "padding"): 0.1, ("idb", "gain"): 0.001}


def check_carried(found: Answer) -> None:
    assert found.artefacts == ["padding", "gain"]
    points = {level: {c.level: round(c.point, 3) for c in contrasts} for level, contrasts in found.carried.items()}
    assert points == {"random": {"padding": 0.4, "gain": 0.0}, "idb": {"padding": 0.1, "gain": 0.001}}
    contrasts = [c for several in found.carried.values() for c in several]
    assert [c.p_holm for c in contrasts] == pytest.approx(holm([c.p or 0.0 for c in contrasts]))
    assert [c.significant for c in contrasts] == [True, False, True, False]
