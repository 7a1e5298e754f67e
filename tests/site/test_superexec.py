"""The process that starts ClientApps looks when it is woken, and seldom where it is not."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path

import pytest

from cape_fed.site import superexec
from cape_fed.site.pace import Pace


def test_a_sleep_ends_when_a_message_has_come() -> None:
    read, write = os.pipe()
    pace = Pace(60.0, 60.0, lambda: 0.0)
    clock = superexec.WokenClock(read, lambda: None, pace)
    os.write(write, b"\n\n\n")
    clock.sleep(0.1)  # returns at once: the test's own time limit is the assertion
    os.close(write)
    clock.sleep(0.1)
    assert clock.pipe is None


def test_without_a_message_it_sleeps_as_long_as_the_pace_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, rested = list[float](), list[float]()
    read, _ = os.pipe()
    now = [0.0]
    clock = superexec.WokenClock(read, lambda: rested.append(now[0]), Pace(0.1, 10.0, lambda: now[0]))
    monkeypatch.setattr("select.select", lambda r, w, x, seconds: waited.append(seconds) or ([], [], []))
    for now[0] in (0.0, 40.0, 4000.0):
        clock.sleep(0.1)
    clock.pipe = None
    monkeypatch.setattr(superexec, "sleep", waited.append)
    clock.sleep(0.1)
    assert waited == [0.1, 2.0, 10.0, 10.0]
    assert rested == [4000.0, 4000.0]


def test_the_installed_flower_has_the_loop_that_is_paced() -> None:
    module = importlib.import_module(superexec.MODULE)
    source = inspect.getsource(module.run_superexec)
    assert source.count("time.sleep(") == source.count("time.sleep(task_poll_interval)") == 1
    assert callable(importlib.import_module(superexec.CLI).flower_superexec)


def test_where_its_node_has_ended_before_it_began_it_ends_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["superexec", str(tmp_path / "gone" / "bounds.json"), "flower-superexec"])
    superexec.main()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
