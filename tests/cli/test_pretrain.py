"""The command ``pretrain`` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.cli.main import run
from tests.conftest import TinyStore

Output = pytest.CaptureFixture[str]
SHORT = ["train.steps=2", "train.pairs=8", "train.monitor_every=1", "device=cpu"]


@pytest.fixture
def arguments(tiny_store: TinyStore, tmp_path: Path) -> list[str]:
    stores = ",".join(str(tiny_store(name, patients=20).path) for name in "ab")
    return ["pretrain", f"data.train=[{stores}]", f"out={tmp_path / 'run'}", *SHORT]


def test_it_prints_the_bundle_and_nothing_else(arguments: list[str], tmp_path: Path, capsys: Output) -> None:
    assert run(arguments) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'run' / 'bundle'}\n", "")
    assert (tmp_path / "run" / "bundle" / "model.safetensors").is_file()


def test_only_the_first_process_of_torchrun_prints(
    arguments: list[str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cape_fed.jobs.pretrain_centrally", lambda config, report: None)
    monkeypatch.setenv("RANK", "1")
    assert run(arguments) == 0
    assert capsys.readouterr().out == ""


def test_a_directory_that_holds_a_run_is_refused(arguments: list[str], capsys: Output) -> None:
    assert run(arguments) == 0
    capsys.readouterr()
    assert run(arguments) == 2
    assert "resume=true" in capsys.readouterr().err
