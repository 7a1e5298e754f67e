"""A run's directory: whose it is, and what may begin there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.lock import locked
from cape_fed.rundir import LOCK_FILE, RunDirectory


def prepared(path: Path) -> RunDirectory:
    """A run that ended before it had done anything."""
    run = RunDirectory(path)
    with run.open({"seed": 1}, resume=False):
        run.splits.mkdir()
        (run.splits / "a.parquet").write_text("of other settings")
        (run.path / "status.json").write_text("{}")
    return run


def test_a_run_that_ended_before_its_first_round_leaves_its_directory_to_the_corrected_command(tmp_path: Path) -> None:
    run = prepared(tmp_path / "run")
    run.check({"seed": 2}, resume=False)
    with run.open({"seed": 2}, resume=False):
        assert run.config.read_text() == "seed: 2\n"
        assert not run.splits.exists()


@pytest.mark.parametrize("name", ["checkpoints/round-000001", "bundle", "results.json", "trials", "notes-of-mine"])
def test_a_run_that_has_something_to_show_is_not_written_over(tmp_path: Path, name: str) -> None:
    run = prepared(tmp_path / "run")
    (run.path / name).mkdir(parents=True)
    with pytest.raises(InputError, match="holds a run already"), run.open({"seed": 2}, resume=False):
        pass
    assert (run.splits / "a.parquet").exists()


def test_a_line_of_metrics_is_something_to_show_and_has_its_time(tmp_path: Path) -> None:
    run = prepared(tmp_path / "run")
    run.append_metrics({"round": 0, "loss": float("nan")})
    with pytest.raises(InputError, match="holds a run already"):
        run.check({"seed": 2}, resume=False)
    line = json.loads(run.metrics.read_text())
    assert line["loss"] is None
    assert line["time"].endswith("Z")


def test_a_run_that_is_still_preparing_keeps_its_directory(tmp_path: Path) -> None:
    run = prepared(tmp_path / "run")
    with locked(run.path / LOCK_FILE):
        with pytest.raises(InputError, match="another process is writing"):
            run.check({"seed": 2}, resume=False)
        with pytest.raises(InputError, match="another process is writing"), run.open({"seed": 2}, resume=False):
            pass
    assert (run.splits / "a.parquet").exists()
