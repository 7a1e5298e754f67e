"""Following a run on a SuperLink through its directory, without a SuperLink: how each kind of end is reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cape_fed.cli import remote
from cape_fed.errors import InputError, LostError, RunError, StoppedError
from cape_fed.federation.fab import app_hash
from cape_fed.lock import locked
from cape_fed.rundir import LOCK_FILE

RUN = 7


class Link:
    """In place of the SuperLink: ``answer`` is the status of every run, or the error of asking."""

    answer: str | InputError = "running"

    def __init__(self, connection: str) -> None:
        self.connection = connection

    def status(self, run: int) -> str:
        if isinstance(self.answer, InputError):
            raise self.answer
        return self.answer


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a run that was started on a SuperLink and has written nothing more."""
    monkeypatch.setattr(remote, "SuperLink", Link)
    monkeypatch.setattr(remote, "ASK", 0.0)
    monkeypatch.setattr(remote, "LOOK", 0.0)
    (tmp_path / remote.PLACE_FILE).write_text(json.dumps({"connection": "hospitals", "run": RUN}))
    return tmp_path


@pytest.fixture
def led(out: Path) -> Iterator[Path]:
    """That directory, while a process leads the run."""
    with locked(out / LOCK_FILE):
        yield out


def write_status(out: Path, **fields: Any) -> None:
    (out / "status.json").write_text(json.dumps({"flower_run": RUN, "state": "running", **fields}))


def next_look(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], None]) -> None:
    """Take one of ``steps`` whenever the follower waits before it looks again."""
    left = iter(steps)
    monkeypatch.setattr(remote, "sleep", lambda seconds: next(left)())


def test_a_directory_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to resume"):
        remote.resume_run(tmp_path)


def test_a_finished_run_is_only_named(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_status(out, state="finished")
    assert remote.resume_run(out) == out
    assert "is finished" in capsys.readouterr().err


def test_a_run_is_followed_to_its_end(
    led: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_status(led, rounds=2, rounds_done=1)
    (led / "log.txt").write_text("12:00 WARNING written before it was followed\n")

    def work() -> None:
        with (led / "log.txt").open("a") as log:
            log.write("12:01 INFO round 1\n12:02 WARNING site b is silent\n12:03 WARN")

    ended = {"state": "finished", "reason": "all 2 rounds are done", "rounds_done": 2, "app": "c0de"}
    sites = {"a": {"role": "train", "rounds": 2}, "b": {"role": "train", "rounds": 1, "quarantined": "failed"}}
    next_look(monkeypatch, work, lambda: write_status(led, **ended, sites={**sites, "d": {"role": "evaluate"}}))
    assert remote.resume_run(led) == led
    assert capsys.readouterr().err.splitlines() == [
        "12:02 WARNING site b is silent",
        "all 2 rounds are done, app c0de; rounds by site: a 2 of 2, b 1 of 2 (quarantined: failed)",
    ]


@pytest.mark.parametrize(("code", "kind"), [(2, InputError), (1, RunError)])
def test_a_failed_run_ends_with_its_own_words_and_code(led: Path, code: int, kind: type[Exception]) -> None:
    write_status(led, state="failed", error="the quorum was missed", code=code)
    with pytest.raises(kind, match="the quorum was missed"):
        remote.resume_run(led)


def test_when_nobody_leads_the_run_any_more_it_says_how_to_go_on(led: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_status(led, rounds_done=3, rounds=8)
    held = iter([True, False])
    monkeypatch.setattr(remote, "is_locked", lambda path: next(held))
    with pytest.raises(LostError, match=rf"run {RUN} is gone after 3 of 8 rounds: cape-fed run --resume"):
        remote.resume_run(led)


@pytest.mark.parametrize("written", [True, False])
def test_a_run_that_was_stopped_says_so_and_how_to_go_on(
    led: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """By the run's own last word, or where it had no time for one, by the SuperLink's."""
    state = {"state": "stopped", "reason": "it was stopped", "code": 3} if written else {}
    write_status(led, rounds_done=3, rounds=8, **state)
    held = iter([True, False])
    monkeypatch.setattr(remote, "is_locked", lambda path: next(held))
    monkeypatch.setattr(Link, "answer", "finished:stopped")
    with pytest.raises(StoppedError, match=r"after 3 of 8 rounds it was stopped: cape-fed run --resume "):
        remote.resume_run(led)


def test_a_resumption_with_other_code_says_so(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_status(out, state="stopped", app="0123")
    (out / "config.yaml").write_text(f"out: {out}\nroster: {{a: train}}\n")
    monkeypatch.setattr(remote, "_start", lambda connection, config: out)
    assert remote.resume_run(out) == out
    assert f"was led by app 0123 and goes on with {app_hash()}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("finished:failed", f"flwr log {RUN} hospitals"),
        ("finished:completed", "another machine"),
        ("finished:stopped", "was stopped before it began"),
        (InputError("SuperLink hospitals: no answer"), "once it is back: cape-fed run --resume"),
    ],
)
def test_a_run_that_never_begins_to_write_is_looked_up(
    led: Path, answer: str | InputError, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Link, "answer", answer)
    with pytest.raises(RunError, match=says):
        remote.resume_run(led)


def test_ctrl_c_stops_following_and_not_the_run(led: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_status(led)

    def interrupt() -> None:
        raise KeyboardInterrupt

    next_look(monkeypatch, interrupt)
    with pytest.raises(RunError, match=rf"the run goes on: cape-fed run --resume .*, flwr stop {RUN} hospitals"):
        remote.resume_run(led)


def test_a_run_that_ended_before_it_began_has_to_be_started_again(out: Path) -> None:
    write_status(out, state="failed", error="x", code=1)
    with pytest.raises(InputError, match="start it again with cape-fed run CONNECTION"):
        remote.resume_run(out)
