"""The steps of the demo on smaller cohorts with shorter training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from cape_fed.cli.tour import take_tour
from cape_fed.errors import InputError

SMALL = [
    "model=tiny", "train.steps=4", "train.pairs=16", "train.monitor_every=2", "federation.rounds=2",
    "federation.local_steps=2", "evaluation.resamples=100", "evaluation.map_records=50",
]  # fmt: skip


@pytest.mark.timeout(900)  # six cohorts and three trainings, on machines that may be busy
def test_every_step_ends_in_a_report_that_compares_the_three_methods(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPE_FED_SALT_FILE", str(tmp_path / "salt"))
    out = tmp_path / "demo"
    take_tour(out, 0, patients=60, overrides=SMALL)
    shown = capsys.readouterr().out
    assert str(out / "report" / "report.html") in shown.splitlines()[-1]
    for method in ("random", "idb", "federated"):
        kept = {path.name for path in (out / method).iterdir()}
        assert {
            "bundle",
            "checkpoints",
            "config.yaml",
            "metrics.jsonl",
            "results.json",
            "report.html",
            "log.txt",
        } <= kept
    results = json.loads((out / "report" / "results.json").read_text())
    assert list(results["methods"]) == ["central random", "central idb", "federated", "random-init", "demographics"]
    assert [name for name, cohort in results["cohorts"].items() if cohort["role"] == "ood"] == ["synth-e", "synth-f"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        take_tour(tmp_path, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_step_that_fails_ends_the_tour_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPE_FED_SALT_FILE", str(tmp_path / "salt"))
    with pytest.raises(typer.Exit) as end:
        take_tour(tmp_path / "demo", 0, patients=0)
    assert end.value.exit_code == 2
    shown, said = capsys.readouterr()
    assert [line.split()[2] for line in shown.splitlines() if line.startswith("$ cape-fed")] == ["synth"]
    assert said.startswith("cape-fed: ")
