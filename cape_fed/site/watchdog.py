"""Work with an end: a step that hangs costs a site one message and never its SuperNode."""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

Result = TypeVar("Result")

GRACE = 20.0
"""Seconds from the deadline to the end of the process: enough to send a reply that says so."""


class DeadlineError(Exception):
    """Work was not done in time."""


class _Work(threading.Thread, Generic[Result]):
    """Runs a function and keeps what it gives or raises."""

    def __init__(self, function: Callable[[], Result]) -> None:
        super().__init__(name="work", daemon=True)
        self.function = function
        self.result: list[Result] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result.append(self.function())
        except BaseException as error:
            self.error = error


def within(seconds: float, function: Callable[[], Result]) -> Result:
    """What ``function`` returns or raises; DeadlineError after ``seconds``.

    The process ends `GRACE` seconds later in any case, by a timer that does not need Python's lock, so that work stuck
    in native code cannot keep it. For a process that serves one message.
    """
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True)
    work = _Work(partial(copy_context().run, function))  # with the fields of log lines
    work.start()
    work.join(seconds)
    if work.is_alive():
        raise DeadlineError
    faulthandler.cancel_dump_traceback_later()
    if work.error is not None:
        raise work.error
    return work.result[0]
