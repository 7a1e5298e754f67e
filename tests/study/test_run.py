"""Whole small studies: every cell once, interrupted and resumed, failing, and on Ray."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest

from cape_fed.cli.main import run as run_cli
from cape_fed.errors import InputError, RunError
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.store.split import split_patients
from cape_fed.study import launch
from cape_fed.study.config import StudyConfig, read_study
from cape_fed.study.plan import make_plan
from cape_fed.study.run import run_study
from cape_fed.study.train import run_config, training_splits
from cape_fed.study.trial import read_outcome, run_trial
from tests.study.conftest import SETTINGS


def test_a_study_from_its_questions_to_its_report(data: list[str], study: StudyConfig, tmp_path: Path) -> None:
    results = run_study(study, data, tmp_path / "out")
    answers = results.answers
    assert [panel.name for panel in answers["sex"].panels] == ["central", "federated"]
    levels = answers["batches"].panels[0].levels
    assert list(levels) == ["random", "idb", "fed", "alone", "untrained"]
    for values in levels.values():
        assert len(values["auroc/ood"].seeds) == 2
        assert values["auroc/ood"].low < values["auroc/ood"].point < values["auroc/ood"].high  # type: ignore[operator]
    assert levels["idb"]["fact/cka"].point == pytest.approx(1)
    assert 0 < levels["random"]["fact/cka"].point < 1
    assert {"probe/linear", "probe/neighbours", "projection/linear", "mae/ood"} <= levels["fed"].keys()
    contrasts = answers["batches"].panels[0].contrasts["auroc/ood"]
    assert [contrast.level for contrast in contrasts] == ["idb", "fed"]
    for contrast in contrasts:
        own, other = levels[contrast.level]["auroc/ood"].seeds, levels["random"]["auroc/ood"].seeds
        assert contrast.seeds == pytest.approx([a - b for a, b in zip(own, other, strict=True)])
    assert [verdict.outcome for verdict in results.verdicts]
    half, women = (answers["sex"].panels[0].balance[level] for level in ("half", "women"))
    assert (half["patients"], half["women"], women["women"]) == (24, 0.5, 1)
    text = (tmp_path / "out" / "report.html").read_text()
    assert "Batches?" in text
    tables = (tmp_path / "out" / "tables.md").read_text()
    assert all(f"\n| {level}" in tables for level in ("random (reference)", "idb", "fed", "alone", "women"))
    assert "http" not in text.replace("http://www.w3.org", "")
    assert json.loads((tmp_path / "out" / "results.json").read_text())["cells"] == results.cells
    assert not list((tmp_path / "out" / "cells").glob("*/runs"))


def test_resumed_is_uninterrupted(
    data: list[str], study: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = study.only(["batches"])
    whole = run_study(small, data, tmp_path / "whole")
    seen: list[Path] = []

    def stop_at_the_third(directory: Path) -> None:
        seen.append(directory)
        if len(seen) == 3:
            raise KeyboardInterrupt
        run_trial(directory)

    with monkeypatch.context() as patch:
        patch.setattr(launch, "run_trial", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            run_study(small, data, tmp_path / "broken")
    with pytest.raises(InputError, match="holds a run already"):
        run_study(small, data, tmp_path / "broken")
    resumed = run_study(small, data, tmp_path / "broken", resume=True)
    for level, values in whole.answers["batches"].panels[0].levels.items():
        for measure, value in values.items():
            if "seconds" not in measure:
                assert resumed.answers["batches"].panels[0].levels[level][measure] == value, (level, measure)


def test_a_cell_that_fails_does_not_stop_the_others(
    data: list[str], study: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(study.only(["batches"]), data, tmp_path / "out", {})
    bad = next(planned.trial.name for planned in plan if planned.level == "fed")

    def fail(directory: Path) -> None:
        if directory.name == bad:
            raise RuntimeError("the disk is on fire")
        run_trial(directory)

    monkeypatch.setattr(launch, "run_trial", fail)
    with pytest.raises(RunError, match=f"1 of 10 trials failed, the first .cells/{bad}.: RuntimeError: the disk is on"):
        run_study(study.only(["batches"]), data, tmp_path / "out")
    assert "on fire" in (tmp_path / "out" / "cells" / bad / launch.ERROR_FILE).read_text()
    assert json.loads((tmp_path / "out" / "results.json").read_text())["failed"] == {
        bad: "RuntimeError: the disk is on fire"
    }


def test_what_cannot_be_run_is_said_before_anything_is_trained_or_written(
    data: list[str], study: StudyConfig, tmp_path: Path
) -> None:
    train = data[0]
    for overrides, reason in (
        ([*data, "train.stepz=3"], "unknown config key 'train.stepz'"),
        ([*data, "pretraining=magic"], "pretraining"),
        ([*data, "planted_patients=few"], "planted_patients"),
        ([*data, "patients=4000"], r"question sex \(half, central\): subsets by women can be matched for"),
        ([*data, "patients=10"], r"question sex \(half, central\): cohort a has 6 training patients, train.pairs=8"),
        ([*data, "patients=10", "batching=random"], r"question sex \(half, federated\): 6 training patients in all"),
        ([*data, "train.pairs=200"], r"question sex \(half, central\): cohort a has \d+ training patients"),
        (["seed=0"], r"a study needs data.train"),
        ([train, f"data.evaluate=[{tmp_path}/nowhere]"], "no store at .*nowhere"),
        ([train, f"data.evaluate=[{tmp_path}/a]"], "cohort a is given twice"),
    ):
        with pytest.raises(InputError, match=reason):
            run_study(study.only(["sex"]), overrides, tmp_path / "out", resume=False)
        assert not (tmp_path / "out").exists(), reason


def test_without_a_ray_cluster_nothing_is_written(data: list[str], study: StudyConfig, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address in (f"127.0.0.1:{port}", "127.0.0.1:http"):
        with pytest.raises(InputError, match=f"no Ray cluster at '{address}'"):
            run_study(study.only(["batches"]), data, tmp_path / "out", ray=address)
    assert not (tmp_path / "out").exists()


def test_levels_that_the_cohorts_cannot_make_are_named(data: list[str], tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"question cohorts \(one cohort, central\): a level 4.0 of cohorts does not fit 2"
    ):
        run_study(read_study("composition").only(["cohorts"]), [*data, "patients=20"], tmp_path / "out")


def test_planted_cohorts_are_made_once_and_looked_for(tmp_path: Path) -> None:
    question = {
        "title": "Which?", "reference": "random", "across": "planted=none,padding", "artefacts": "one at a time",
        "levels": {"random": "batching=random"}, "beside": {"untrained": "pretraining=untrained"},
    }  # fmt: skip
    settings = [*SETTINGS, "planted_patients=40"]
    planting = StudyConfig.model_validate({"title": "P", "settings": settings, "questions": {"which": question}})
    with pytest.raises(InputError, match=r"no planted artefact 'rust': choose one of none, gain, mains"):
        run_study(planting, ["planted=rust"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    results = run_study(planting, [], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "planted").iterdir()) == [
        f"{condition}-{letter}" for condition in ("none", "padding") for letter in "abcde"
    ]
    answer = results.answers["which"]
    assert answer.artefacts == ["padding"]
    assert list(answer.carried) == ["random", "untrained"]
    assert answer.carried["untrained"][0].point > 0.2  # padding shows before anything is learnt


def test_equal_cells_are_trained_once_and_settings_decide_the_name(data: list[str], study: StudyConfig) -> None:
    plan = make_plan(study, [*data, "seed=0"], Path("out"), {})
    names = {(planned.question, planned.panel, planned.level): planned.trial.name for planned in plan}
    again = {planned.trial.name for planned in make_plan(study, [*data, "seed=0"], Path("elsewhere"), {})}
    assert set(names.values()) == again
    assert len(set(names.values())) == len(names)
    other = {planned.trial.name for planned in make_plan(study, [*data, "seed=0", "train.steps=4"], Path("out"), {})}
    assert not other & again
    elsewhere = make_plan(study, [*data, "seed=0", "finetune.steps=4", "threads=2"], Path("out"), {})
    assert {planned.trial.name for planned in elsewhere} == again  # neither acts on what comes out


def test_no_patient_who_trains_is_among_the_evaluated(data: list[str], study: StudyConfig) -> None:
    for planned in make_plan(study, data, Path("out"), {}):
        config = planned.trial.config
        stores = open_stores([site[0] for site in config.data.train])
        for store, (name, split) in zip(stores, training_splits(planned.trial, stores).items(), strict=True):
            assert name == store.cohort
            test = split_patients(store, config.split.seed, config.split.fractions).test
            assert not set(store.patients[split.train]) & set(store.patients[test])
            assert np.array_equal(split.test, test)


def test_budgets(data: list[str], study: StudyConfig) -> None:
    def rounds(*overrides: str, sites: int = 4) -> tuple[int, int]:
        plan = make_plan(study.only(["batches"]), [*data, "train.steps=240", *overrides], Path("out"), {})
        trial = next(planned.trial for planned in plan if planned.level == "fed")
        config = run_config(trial, open_stores([site[0] for site in trial.config.data.train]), sites, Path("out"))
        return config.federation.rounds, config.federation.local_steps

    assert rounds("federation.local_steps=10") == (6, 10)
    assert rounds("federation.local_steps=10", "budget=steps") == (24, 10)
    assert rounds("federation.local_steps=10", "federation.strategy=cyclic") == (24, 10)
    assert rounds("federation.local_steps=10", "federation.participation=0.5") == (12, 10)


def test_study_files(tmp_path: Path) -> None:
    for name in ("batching", "composition", "federation"):
        assert read_study(name).questions
    with pytest.raises(InputError, match="no study 'magic': choose one of batching, composition, federation"):
        read_study("magic")
    (tmp_path / "own.yaml").write_text("title: x\nquestions: {a: {title: y, reference: z, levels: {w: seed=1}}}\n")
    with pytest.raises(InputError, match="the reference 'z' is none of the levels w"):
        read_study(str(tmp_path / "own.yaml"))
    with pytest.raises(InputError, match="no question 'b' in this study"):
        read_study("batching").only(["b"])


def test_the_command_says_what_is_wrong(data: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["study", "batching", *data]) == 2
    assert "out is missing" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_and_ray_give_the_same(data: list[str], study: StudyConfig, tmp_path: Path) -> None:
    small = study.only(["batches"])
    one = run_study(small, [*data, "seed=0"], tmp_path / "one", workers=2)
    two = run_study(small, [*data, "seed=0"], tmp_path / "two", ray="local")
    assert one.cells == two.cells
    for folder in (tmp_path / "one" / "cells").iterdir():
        first, second = (read_outcome(tmp_path / name / "cells" / folder.name) for name in ("one", "two"))
        points = [{name: value.point for name, value in o.measures.items()} for o in (first, second)]
        # Encoders are equal bit for bit; Ray gives NumPy another number of threads, and sums their last digits.
        assert points[0] == pytest.approx(points[1], rel=1e-9)
        assert np.array_equal(first.sample, second.sample)
