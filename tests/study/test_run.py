"""Whole small studies: every cell once, interrupted and resumed, failing, and on Ray."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cape_fed.cli.main import run as run_cli
from cape_fed.errors import InputError
from cape_fed.study import launch
from cape_fed.study.config import StudyConfig
from cape_fed.study.run import run_study
from cape_fed.study.trial import run_trial
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals


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
    assert {figure.name for figure in (tmp_path / "out" / "figures").iterdir()} >= {
        "batches-levels.svg", "sex-levels.svg",
    }  # fmt: skip
    assert (tmp_path / "out" / "figures" / "batches-levels.svg").read_text().rstrip().endswith("</svg>")
    tables = (tmp_path / "out" / "tables.md").read_text()
    assert all(f"\n| {level}" in tables for level in ("random (reference)", "idb", "fed", "alone", "women"))
    assert "http" not in text.replace("http://www.w3.org", "")
    assert json.loads((tmp_path / "out" / "results.json").read_text())["cells"] == results.cells
    assert not list((tmp_path / "out" / "cells").glob("*/runs"))


@pytest.mark.slow
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


def test_a_study_does_not_go_on_with_another_store(
    data: list[str], study: StudyConfig, tiny_store: TinyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(directory: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "run_trial", stop)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, data, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run_study(study, data, tmp_path / "out", resume=True)
    shutil.rmtree(tmp_path / "o")
    signals, owner = patient_signals(patients=60, seed=9)
    tiny_store("o", signals=signals, patient=[f"o{p}" for p in owner])
    with pytest.raises(InputError, match="stores differ"):
        run_study(study, data, tmp_path / "out", resume=True)


def test_the_command_says_what_is_wrong(data: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["study", "batching", *data]) == 2
    assert "out is missing" in capsys.readouterr().err
