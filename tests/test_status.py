"""How a run's status says that it goes on, and how it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError, RunError
from cape_fed.lock import locked
from cape_fed.rundir import LOCK_FILE
from cape_fed.status import Status, exit_code, read_status, state_of


@pytest.mark.parametrize(
    ("error", "state", "code", "reason"),
    [
        (InputError("no such site"), "failed", 2, "no such site"),
        (RunError("below quorum"), "failed", 1, "below quorum"),
        (ValueError("a path"), "failed", 1, "the coordinator failed with ValueError: log.txt says where"),
        (SystemExit(0), "stopped", 3, "it was stopped"),
        (KeyboardInterrupt(), "stopped", 3, "it was stopped"),
    ],
)
def test_each_end_has_a_state_a_reason_and_an_exit_code(
    tmp_path: Path, error: BaseException, state: str, code: int, reason: str
) -> None:
    status = Status(tmp_path)
    status.update(state="running", awaited=["b"])
    with pytest.raises(type(error)), status.ending():
        raise error
    found = read_status(tmp_path)
    assert (found["state"], found["code"], found["reason"], found["awaited"]) == (state, code, reason, [])
    assert state_of(tmp_path, found) == state
    assert exit_code(state_of(tmp_path, found), found) == code


def test_a_run_that_finished_says_why_it_ended_there(tmp_path: Path) -> None:
    status = Status(tmp_path, flower_run=7)
    with status.ending():
        status.finish("all 3 rounds are done")
    found = read_status(tmp_path)
    assert (found["state"], found["reason"], found["flower_run"]) == ("finished", "all 3 rounds are done", 7)
    assert "error" not in found
    assert exit_code(state_of(tmp_path, found), found) == 0


def test_a_run_without_its_process_is_lost(tmp_path: Path) -> None:
    Status(tmp_path).update(state="running")
    found = read_status(tmp_path)
    with locked(tmp_path / LOCK_FILE):
        assert state_of(tmp_path, found) == "running"
        assert exit_code("running", found) == 0
    assert state_of(tmp_path, found) == "lost"
    assert exit_code("lost", found) == 4


def test_every_status_has_its_time(tmp_path: Path) -> None:
    Status(tmp_path).update(state="running")
    found = read_status(tmp_path)
    assert found["started"] <= found["time"]
    assert found["time"].endswith("Z")
