"""Worlds have nothing in common, are the same whenever they are made, and are gone when their trials are done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cape_fed.errors import InputError
from cape_fed.study.analysis import answer, judge
from cape_fed.study.config import StudyConfig
from cape_fed.study.launch import Job, run_job
from cape_fed.study.plan import PlannedTrial, make_plan, world_of
from cape_fed.study.power import powers, worlds_needed
from cape_fed.study.run import run_study
from cape_fed.study.worlds import World
from tests.study.outcomes import outcomes

SETTINGS = [
    "experiment=study", "train.steps=3", "train.pairs=8", "evaluation.resamples=20", "evaluation.min_patients=4",
    "world_patients=40",
]  # fmt: skip
MEASURE = "auroc/ood"


def study(*settings: str, primary: bool = True) -> StudyConfig:
    levels = {"random": "batching=random", "idb": "batching=idb", "masked": "objective.foreign=masked"}
    claim = {"text": "It does.", "question": "batches", "level": "idb", "reference": "random", "measure": MEASURE,
             "higher": True, "margin": 0.01, "primary": primary}  # fmt: skip
    question = {"title": "Batches?", "reference": "random", "levels": levels, "beside": {"u": "pretraining=untrained"}}
    return StudyConfig.model_validate(
        {"title": "W", "settings": [*SETTINGS, *settings], "questions": {"batches": question}, "claims": [claim]}
    )


def test_no_two_worlds_have_a_hospital_in_common(tmp_path: Path) -> None:
    worlds = [World(number, 10, tmp_path) for number in range(5)]
    cohorts = [cohort for world in worlds for cohort in world.cohorts]
    assert len({cohort.name for cohort in cohorts}) == 30
    assert len({(cohort.devices[0].gain, cohort.population.age_mean) for cohort in cohorts}) == 30
    assert worlds[3].cohorts == World(3, 10, tmp_path).cohorts
    for world in worlds:
        assert [cohort.role for cohort in world.cohorts] == ["train"] * 4 + ["evaluate"] * 2


def test_a_trial_in_a_world_has_its_stores_and_its_seed(tmp_path: Path) -> None:
    plan = make_plan(study("world=range(3)"), [], tmp_path, {})
    assert [planned.seed for planned in plan if planned.level == "idb"] == [0, 1, 2]
    for planned in plan:
        assert planned.panel == ""
        assert planned.trial.config.seed == planned.seed == planned.trial.keys.world
        names = [site[0].name for site in planned.trial.config.data.train]
        assert names == [f"w000{planned.seed}-{letter}" for letter in "abcd"]


def test_worlds_of_different_sizes_have_stores_of_their_own(tmp_path: Path) -> None:
    plan = make_plan(study("world=0", "world_kind=drawn,labels"), ["world_patients=20,30"], tmp_path, {})
    worlds = {world for planned in plan if (world := world_of(planned.trial.keys, tmp_path)) is not None}
    assert {world.folder.name: world.patients for world in worlds} == {
        "0000-20-patients": 20, "0000-30-patients": 30,
        "0000-20-patients-labels": 20, "0000-30-patients-labels": 30,
    }  # fmt: skip
    assert len(worlds) == 4
    for planned in plan:
        (folder,) = {site[0].parent.name for site in planned.trial.config.data.train}
        assert f"-{planned.trial.keys.world_patients}-" in folder


@pytest.mark.parametrize(
    ("override", "says"),
    [("seed=range(3)", "leave out seed="), ("planted=none", "give only one of planted=, world= and left_out=")],
)
def test_a_world_has_one_seed_and_no_planted_cohorts(tmp_path: Path, override: str, says: str) -> None:
    planted = {"none": World(0, 10, tmp_path).sites}
    with pytest.raises(InputError, match=says):
        make_plan(study("world=range(2)"), [override], tmp_path, planted)


def test_a_world_has_no_subsets(tmp_path: Path) -> None:
    subset = {"factor": "women", "levels": {"half": 0.5, "women": 1}}
    question = {"title": "Sex?", "reference": "half", "subset": subset}
    settings = [*SETTINGS, "world=range(2)", "patients=24"]
    asked = StudyConfig.model_validate({"title": "S", "settings": settings, "questions": {"sex": question}})
    with pytest.raises(InputError, match=r"subsets are drawn from stores that are there: give data\.train= in place"):
        run_study(asked, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_world_that_is_too_small_is_refused_before_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="world_patients=40 leaves 28 to train on, and a batch has 32 pairs"):
        run_study(study("world=range(2)"), ["train.pairs=32"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def quality(planned: PlannedTrial) -> dict[str, float]:
    rng = np.random.default_rng(planned.seed)
    gain = {"idb": 0.02, "masked": 0.001}.get(planned.level, 0.0)
    return {MEASURE: 0.8 + rng.normal(0, 0.05) + gain * (1 + rng.normal(0, 0.3))}


def test_the_primary_contrast_is_a_t_test_over_worlds_that_is_not_corrected(tmp_path: Path) -> None:
    asked = study("world=range(8)")
    plan = make_plan(asked, [], tmp_path, {})
    found = outcomes(plan, quality)
    answers = answer(asked, plan, found, {})
    assert answers["batches"].worlds
    contrasts = {contrast.level: contrast for contrast in answers["batches"].panels[0].contrasts[MEASURE]}
    by_level = {(p.level, p.seed): found[p.trial.name].measures[MEASURE].point for p in plan}
    for level, contrast in contrasts.items():
        gaps = [by_level[level, world] - by_level["random", world] for world in range(8)]
        expected = stats.ttest_1samp(gaps, 0.0)
        interval = expected.confidence_interval(0.95)
        assert (contrast.point, contrast.low, contrast.high, contrast.p) == pytest.approx(
            (np.mean(gaps), interval.low, interval.high, expected.pvalue)
        )
    assert {level: contrast.primary for level, contrast in contrasts.items()} == {"idb": True, "masked": False}
    assert all(contrast.p_holm == pytest.approx(contrast.p) for contrast in contrasts.values())
    (verdict,) = judge(asked.claims, answers)
    assert verdict.outcome == "supported"
    (power,) = powers(asked.claims, answers)
    deviation = float(np.std(contrasts["idb"].seeds, ddof=1))
    assert (power.worlds, power.deviation) == (8, pytest.approx(deviation))
    assert power.needed == worlds_needed(deviation, 0.01)


def test_without_a_primary_claim_all_are_corrected(tmp_path: Path) -> None:
    asked = study("world=range(8)", primary=False)
    plan = make_plan(asked, [], tmp_path, {})
    contrasts = answer(asked, plan, outcomes(plan, quality), {})["batches"].panels[0].contrasts[MEASURE]
    assert max((contrast.p_holm or 0) / (contrast.p or 1) for contrast in contrasts) == pytest.approx(2)


def test_what_a_world_cannot_be_made_for_is_said_of_all_its_trials(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    job = Job((tmp_path / "one", tmp_path / "two"), World(0, 10, tmp_path / "file"))
    ended = run_job(job)
    assert [directory.name for directory, _ in ended] == ["one", "two"]
    assert all(why is not None and why.startswith("world 0:") for _, why in ended)


@pytest.mark.slow
def test_a_study_of_worlds_leaves_no_stores_and_goes_on_where_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = study("world=range(2)")
    whole = run_study(asked, [], tmp_path / "whole")
    assert whole.cells == 8
    assert not list((tmp_path / "whole" / "worlds").glob("*/*"))
    report = (tmp_path / "whole" / "report.html").read_text()
    assert "Every replicate is a world" in report
    assert whole.powers[0].worlds == 2

    from cape_fed.study import launch

    run_trial, done = launch.run_trial, []

    def breaks_at_the_third(directory: Path) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(directory)
        run_trial(directory)

    monkeypatch.setattr(launch, "run_trial", breaks_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run_study(asked, [], tmp_path / "broken")
    assert list((tmp_path / "broken" / "worlds").glob("*/*"))
    monkeypatch.setattr(launch, "run_trial", run_trial)
    resumed = run_study(asked, [], tmp_path / "broken", resume=True, workers=2)
    assert not list((tmp_path / "broken" / "worlds").glob("*/*"))
    for mine, theirs in zip(
        resumed.answers["batches"].panels[0].contrasts[MEASURE],
        whole.answers["batches"].panels[0].contrasts[MEASURE],
        strict=True,
    ):
        assert mine.seeds == pytest.approx(theirs.seeds, abs=1e-9)


def test_worlds_are_compared_by_their_numbers(tmp_path: Path) -> None:
    world = World(3, 10, tmp_path)
    assert world == replace(world)
    assert len({world, replace(world), replace(world, number=4)}) == 2
