"""The trials of a study: equal ones are one, and what decides the outcome decides the name."""

from __future__ import annotations

from pathlib import Path

from cape_fed.study.config import StudyConfig
from cape_fed.study.plan import make_plan
from cape_fed.study.plant import planted_sites
from cape_fed.synthetic.planted import CONDITIONS


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


def test_cohorts_that_are_made_for_a_trial_are_told_by_the_keys_and_not_by_where_they_lie(tmp_path: Path) -> None:
    question = {"title": "Q", "reference": "a", "levels": {"a": "batching=random", "b": "batching=idb"}}
    study = StudyConfig.model_validate({"title": "S", "settings": ["experiment=study"], "questions": {"q": question}})

    def names(out: Path, *overrides: str) -> list[str]:
        plan = make_plan(study, overrides, out, planted_sites(out / "planted", CONDITIONS))
        return [planned.trial.name for planned in plan]

    made = ["world=0,1", "world_kind=drawn,labels", "world_patients=20,30"], ["planted=none,gain,all"]
    for overrides, trials in zip(made, (16, 6), strict=True):
        assert names(Path("o"), *overrides) == names(tmp_path / "moved", *overrides)
        assert len(set(names(Path("o"), *overrides))) == trials
    assert not set(names(Path("o"), "planted=none", "planted_patients=20")) & set(names(Path("o"), "planted=none"))
