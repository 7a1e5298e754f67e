"""The demo, smaller: every command, one after another, on synthetic cohorts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cape_fed.cli.main import run
from cape_fed.cli.tour import take_tour
from cape_fed.errors import InputError

SMALL = [
    "train.steps=4", "train.pairs=16", "train.monitor_every=2", "federation.rounds=2", "federation.local_steps=2",
    "evaluation.resamples=100", "evaluation.map_records=50",
]  # fmt: skip


def test_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
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

    npz = tmp_path / "e.npz"
    assert run(["embed", str(out / "idb" / "bundle"), str(out / "stores" / "synth-e"), str(npz)]) == 0
    with np.load(npz, allow_pickle=False) as embedded:
        assert embedded["embedding"].dtype == np.float32
        assert len(embedded["embedding"]) == len(embedded["record"]) == results["cohorts"]["synth-e"]["records"]


def test_does_not_write_over_anything(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        take_tour(tmp_path, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
