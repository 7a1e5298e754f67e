"""What a signal that ends the process leaves time for: the block that it interrupts ends first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


@contextmanager
def left_first() -> Iterator[None]:
    """Have a signal that would end the process raise SystemExit in the block, and do once that is left what it did.

    Flower's own handler tries to reach the SuperLink first and ends the process five seconds later, wherever it is: a
    run whose SuperLink is gone would be gone without a word. In a thread, where no signal arrives, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    is_left = False

    def leave(number: int, _frame: FrameType | None) -> None:
        is_first = not arrived and not is_left
        arrived.append(number)
        if is_first:  # a second one would interrupt what the first one has the block say
            raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in ENDING}
    try:
        yield
    finally:
        is_left = True
        for number, handler in before.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])
