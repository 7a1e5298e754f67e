"""The command ``simulate`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from tests.conftest import TinyStore

Output = pytest.CaptureFixture[str]
SHORT = [
    "train.pairs=8", "federation.rounds=2", "federation.local_steps=1", "federation.evaluate=false", "device=cpu",
]  # fmt: skip


def test_stores_in_inner_brackets_are_one_site(tiny_store: TinyStore, tmp_path: Path, capsys: Output) -> None:
    a, b, c, d = (tiny_store(name, patients=20).path for name in "abcd")
    out = tmp_path / "run"
    assert run(["simulate", f"data.train=[{a},[{b},{c}]]", f"data.evaluate=[{d}]", f"out={out}", *SHORT]) == 0
    assert capsys.readouterr() == (f"{out / 'bundle'}\n", "")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    trained = [sorted(line["sites"]) for line in lines if "loss" in line]
    assert len(trained) == 2
    assert all(len(sites) == 2 for sites in trained)


def test_a_site_cannot_train_and_only_evaluate(tiny_store: TinyStore, tmp_path: Path, capsys: Output) -> None:
    store = tiny_store("a", patients=20).path
    assert run(["simulate", f"data.train=[{store}]", f"data.evaluate=[{store}]", f"out={tmp_path / 'x'}", *SHORT]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "x").exists()
