"""Each cohort in turn is kept from training and evaluated, and what the cohorts say is pooled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cape_fed.cli.main import run as run_cli
from cape_fed.errors import InputError
from cape_fed.study import launch
from cape_fed.study.analysis import answer, judge
from cape_fed.study.check import check_left_out
from cape_fed.study.config import StudyConfig, read_study
from cape_fed.study.plan import PlannedTrial, make_plan
from cape_fed.study.pooling import pool
from cape_fed.study.report.forest import forest_figure
from cape_fed.study.report.words import sentences
from cape_fed.study.run import run_study
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals
from tests.study.outcomes import outcomes

NAMES = ("a", "b", "c", "d")
MEASURE = "auroc/every"


@pytest.fixture
def stores(tiny_store: TinyStore, tmp_path: Path) -> str:
    """An override that names four cohorts, of which the last has women only."""
    for number, name in enumerate(NAMES):
        signals, owner = patient_signals(patients=40, seed=number)
        rng = np.random.default_rng(number)
        sex = np.array(["F", "M"], object)[rng.integers(0, 2, 40)][owner] if name != "d" else ["F"] * len(owner)
        age = rng.uniform(30, 80, 40).astype(np.float32)[owner]
        own = dict.fromkeys(("AF", "LVH"), [None] * len(owner))
        tiny_store(name, signals=signals, patient=[f"{name}{p}" for p in owner], age=age, sex=sex, **own)
    return f"data.train=[{','.join(str(tmp_path / name) for name in NAMES)}]"


def study(*settings: str) -> StudyConfig:
    return StudyConfig.model_validate(
        {
            "title": "Left out",
            "settings": [
                "experiment=study", "train.steps=2", "train.pairs=8", "evaluation.resamples=20",
                "evaluation.min_patients=4", "left_out=each", "seed=range(2)", *settings,
            ],
            "questions": {
                "batches": {
                    "title": "Batches?",
                    "reference": "random",
                    "levels": {"random": "batching=random", "idb": "batching=idb"},
                    "headline": MEASURE,
                    "shown": [MEASURE, "mae/ood"],
                }
            },
            "claims": [
                {"text": "It does.", "question": "batches", "level": "idb", "reference": "random", "measure": MEASURE,
                 "higher": True, "margin": 0.01, "primary": True},
            ],
        }
    )  # fmt: skip


def test_no_trial_is_trained_on_the_cohort_that_it_leaves_out(stores: str, tmp_path: Path) -> None:
    plan = make_plan(study(), [stores], tmp_path / "out", {})
    wanted = {(level, cohort, seed) for level in ("random", "idb") for cohort in NAMES for seed in (0, 1)}
    assert {(planned.level, planned.left_out, planned.seed) for planned in plan} == wanted
    assert len(plan) == len(wanted)
    for planned in plan:
        data = planned.trial.config.data
        trained, evaluated = ([path.name for site in sites for path in site] for sites in (data.train, data.evaluate))
        assert evaluated == [planned.left_out]
        assert trained == [name for name in NAMES if name != planned.left_out]
    assert len({planned.trial.name for planned in plan}) == len(plan)


def test_the_study_that_comes_with_it_leaves_out_all_of_the_cohorts(stores: str, tmp_path: Path) -> None:
    own = read_study("leave-one-out")
    assert "seed=range(10)" in own.settings
    plan = make_plan(own, [stores, "seed=0,1"], tmp_path / "out", {})
    for level in ("random", "idb", "federated"):
        cells = {(p.left_out, p.seed) for p in plan if p.level == level}
        assert cells == {(cohort, seed) for cohort in NAMES for seed in (0, 1)}
    assert {(p.trial.config.train.steps, p.trial.config.train.pairs) for p in plan} == {(240, 32)}
    (primary,) = [claim for claim in own.claims if claim.primary]
    assert (primary.level, primary.reference, primary.margin) == ("idb", "random", 0.007)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["data.train=[{0}/a,{0}/b]"], r"takes 3 stores or more, data.train has 2"),
        (["data.train=[{0}/a,{0}/b]", "left_out=a"], r"takes 3 stores or more, data.train has 2"),
        ([], r"takes 3 stores or more, data.train has 0"),
        (["{1}", "left_out=a,b"], "pooling takes 3 left-out cohorts or more, this study has 2"),
        (["{1}", "left_out=e"], "left_out=e is none of the cohorts in data.train: choose one of a, b, c, d"),
        (["{1}", "data.evaluate=[{0}/d]"], "evaluates those: leave out data.evaluate"),
        (["{1}", "world=0", "seed=0"], "leave out seed="),
        (["{1}", "train.pairs=40"], r"question batches \(random, a left out\)|train.pairs"),
        (["{1}", "evaluation.min_patients=21"], r"0 of 4 cohorts have a task with 21 \+ 21 patients, pooling takes 3"),
    ],
)
def test_what_cannot_be_pooled_is_said_in_one_line_before_anything_is_written(
    stores: str, tmp_path: Path, overrides: list[str], says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        run_study(study(), [text.format(tmp_path, stores) for text in overrides], tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_cohort_without_a_task_is_named_and_the_others_are_pooled(
    stores: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = make_plan(study(), [stores], tmp_path / "out", {})
    check_left_out([planned.trial for planned in plan], study().claims)
    assert caplog.messages == ["d has no task with 4 + 4 patients and takes no part in AUROC"]


def quality(planned: PlannedTrial) -> dict[str, float]:
    """Cohorts differ in what in-distribution batches do for them, and d has no number."""
    gain = {"a": 0.01, "b": 0.03, "c": 0.05, "d": 0.0}[planned.left_out or ""] * (planned.level == "idb")
    own = {"sex/ood": 0.7, MEASURE: 0.7 + gain} if planned.left_out != "d" else {}
    return {**own, "mae/ood": 12.0 - 10 * gain, "auroc/id": 0.8}


@pytest.mark.slow
def test_contrasts_are_pooled_over_cohorts_and_the_claim_is_judged_by_that(stores: str, tmp_path: Path) -> None:
    asked = study("seed=range(4)")
    plan = make_plan(asked, [stores], tmp_path / "out", {})
    answers = answer(asked, plan, outcomes(plan, quality), {})
    found = answers["batches"]
    assert found.left_out == list(NAMES)
    assert [panel.name for panel in found.panels] == [f"{name} left out" for name in NAMES]
    assert [panel.tasks for panel in found.panels] == [["sex"]] * 3 + [[]]
    (pooled,) = found.pooled
    (primary,) = pooled.contrasts[MEASURE]
    by_cohort = {panel.left_out: panel.contrasts.get(MEASURE, [None])[0] for panel in found.panels}
    assert primary == pool(by_cohort).model_copy(update={"primary": True, "p_holm": primary.p})  # type: ignore[arg-type,union-attr]
    assert (primary.cohorts, primary.missing) == (["a", "b", "c"], ["d"])
    assert primary.tau == pytest.approx(0.02, abs=0.005)
    assert pooled.contrasts["mae/ood"][0].cohorts == list(NAMES)
    (verdict,) = judge(asked.claims, answers)
    assert verdict.pooled
    assert verdict.contrast == primary
    (sentence,) = sentences(found, MEASURE)
    assert "over 3 cohorts left out in turn (a, b, c)" in sentence
    assert "Without d: no task with enough patients there" in sentence
    picture = forest_figure(found, [MEASURE, "mae/ood"]) or ""
    assert picture.count("no number") == 1
    assert all(f">{name}<" in picture for name in (*NAMES, "pooled: idb − random"))
    assert forest_figure(found, ["auroc/worst"]) is None


def test_two_cohorts_are_not_pooled_and_that_is_said(stores: str, tmp_path: Path) -> None:
    asked = study()
    plan = make_plan(asked, [stores], tmp_path / "out", {})
    found = outcomes([planned for planned in plan if planned.left_out in ("a", "d", "b")], quality)
    answers = answer(asked, plan, found, {})
    assert MEASURE not in answers["batches"].pooled[0].contrasts
    assert judge(asked.claims, answers) == []
    assert "is not pooled: fewer than 3 of the cohorts left out" in next(sentences(answers["batches"], MEASURE))


@pytest.mark.slow
def test_the_command_draws_the_forest_plot_and_goes_on_where_it_was_interrupted(
    stores: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(json.dumps(study().model_dump(mode="json")))
    command = ["study", str(tmp_path / "own.yaml"), stores, f"out={tmp_path / 'out'}"]
    run_trial, done = launch.run_trial, []

    def breaks_at_the_fourth(directory: Path) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(directory)
        run_trial(directory)

    with monkeypatch.context() as patch:
        patch.setattr(launch, "run_trial", breaks_at_the_fourth)
        assert run_cli(command) != 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").glob("*/outcome/measures.json")}
    assert len(before) == 3
    assert run_cli([*command, "--resume", "--workers", "2"]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["cells"] == 16
    (found,) = results["answers"]["batches"]["pooled"][0]["contrasts"][MEASURE]
    assert (found["cohorts"], found["missing"]) == (["a", "b", "c"], ["d"])
    assert results["verdicts"][0]["pooled"]
    report = (tmp_path / "out" / "report.html").read_text()
    assert "Forest plot over the cohorts left out" in report
    assert "Without d: no task with enough patients there" in report
    assert "| pooled over cohorts left out |" in (tmp_path / "out" / "tables.md").read_text()
    assert "over 3 cohorts left out in turn" in " ".join(capsys.readouterr().out.split())
