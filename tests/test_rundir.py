"""A run's directory: whose it is, and what may begin there."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.lock import locked
from cape_fed.rundir import LOCK_FILE, RunDirectory, read_metrics


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


def test_what_differs_is_named_when_a_run_goes_on(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.open({"seed": 1, "model": "tiny", "old": 1}, resume=False):
        pass
    with pytest.raises(InputError, match="model, new, old differ"):
        run.check({"seed": 1, "model": "base", "new": 1}, resume=True)
    with run.open({"seed": 1, "model": "tiny", "old": 1}, resume=True):
        pass


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to resume"):
        RunDirectory(tmp_path).check({}, resume=True)
    assert not (tmp_path / "config.yaml").exists()


def test_metrics_have_no_nan_and_lose_only_a_line_that_was_cut(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.append_metrics({"round": 0, "loss": float("nan"), "sites": {"a": float("inf")}})
    run.append_metrics({"round": 1, "loss": 0.5})
    with run.metrics.open("a") as file:
        file.write('{"round": 2, "lo')
    lines = list(read_metrics(run.metrics))
    kept = [{key: value for key, value in line.items() if key != "time"} for line in lines]
    assert kept == [{"round": 0, "loss": None, "sites": {"a": None}}, {"round": 1, "loss": 0.5}]
    assert list(read_metrics(tmp_path / "none.jsonl")) == []


def test_lines_that_will_be_written_again_are_forgotten(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for number in range(4):
        run.append_metrics({"round": number})
    run.truncate_lines(run.metrics, "round", 2)
    assert [line["round"] for line in read_metrics(run.metrics)] == [0, 1]
    run.truncate_lines(tmp_path / "none.jsonl", "round", 2)
    assert not (tmp_path / "none.jsonl").exists()


def test_the_log_has_what_this_project_says_meanwhile(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.logging():
        logging.getLogger("cape_fed.somewhere").info("heard")
        logging.getLogger("elsewhere").warning("not ours")
    logging.getLogger("cape_fed.somewhere").info("too late")
    text = run.log.read_text()
    assert "INFO cape_fed.somewhere heard" in text
    assert "not ours" not in text
    assert "too late" not in text


def test_the_split_of_a_cohort_is_found_where_the_run_or_a_site_keeps_it(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert run.saved_split("a") is None
    at_site = run.site("a") / "splits" / "a.parquet"
    at_site.parent.mkdir(parents=True)
    at_site.touch()
    assert run.saved_split("a") == at_site
    run.splits.mkdir()
    (run.splits / "a.parquet").touch()
    assert run.saved_split("a") == run.splits / "a.parquet"
