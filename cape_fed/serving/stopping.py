"""When a server is to stop."""

from __future__ import annotations

import asyncio
import signal


def stop_on(*signals: signal.Signals) -> asyncio.Event:
    """An event of the running loop that these signals set."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    return stop
