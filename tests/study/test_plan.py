"""The trials of a study: equal ones are one, and what decides the outcome decides the name."""

from __future__ import annotations

from pathlib import Path

from cape_fed.study.config import StudyConfig
from cape_fed.study.plan import make_plan


def test_equal_trials_are_trained_once_and_settings_decide_the_name(data: list[str], study: StudyConfig) -> None:
    plan = make_plan(study, [*data, "seed=0"], Path("out"), {})
    names = {(planned.question, planned.panel, planned.level): planned.trial.name for planned in plan}
    again = {planned.trial.name for planned in make_plan(study, [*data, "seed=0"], Path("elsewhere"), {})}
    assert set(names.values()) == again
    assert len(set(names.values())) == len(names)
    other = {planned.trial.name for planned in make_plan(study, [*data, "seed=0", "train.steps=4"], Path("out"), {})}
    assert not other & again
    elsewhere = make_plan(study, [*data, "seed=0", "finetune.steps=4", "threads=2"], Path("out"), {})
    assert {planned.trial.name for planned in elsewhere} == again  # neither acts on what comes out
