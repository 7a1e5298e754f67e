"""Work that hangs is given up at its deadline; a process stuck in native code ends all the same."""

from __future__ import annotations

import subprocess
import sys
import threading
from time import monotonic

import pytest

from cape_fed.site import watchdog
from cape_fed.site.watchdog import DeadlineError, within


def test_work_in_time_gives_its_result_and_leaves_no_timer() -> None:
    assert within(30, lambda: 7) == 7


def test_what_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        within(30, lambda: 1 // 0)


def test_work_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "GRACE", 1000.0)
    never = threading.Event()
    begin = monotonic()
    with pytest.raises(DeadlineError):
        within(0.2, lambda: never.wait(60))
    assert monotonic() - begin < 10
    never.set()
    watchdog.faulthandler.cancel_dump_traceback_later()


STUCK = """
import ctypes
from cape_fed.site import watchdog
watchdog.GRACE = 0.5
watchdog.within(0.3, lambda: ctypes.PyDLL(None).sleep(100))  # keeps Python's lock
"""


def test_a_process_stuck_in_native_code_ends() -> None:
    begin = monotonic()
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert monotonic() - begin < 30
    assert "Timeout" in done.stderr
