"""Flower's SuperExec of a site, which starts a process for every message: it is woken instead of looking all the time.

The site's SuperNode starts it with a pipe as standard input and writes to it when a message has come. While there are
messages, it keeps a process that has loaded what they need.
"""

from __future__ import annotations

import importlib
import os
import select
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import sleep

from cape_fed.site import forks
from cape_fed.site.cage.bounds import Bounds
from cape_fed.site.forks import CagedForks, Forks
from cape_fed.site.pace import Pace
from cape_fed.site.scratch import scratch_folder
from cape_fed.site.warmth import WarmProcess

MODULE = "flwr.supercore.superexec.run_superexec"
"""Module with the loop that looks for something to start."""
CLI = "flwr.supercore.cli.flower_superexec"
NO_CAGE = "-"
SHORTEST, LONGEST = 0.1, 10.0
"""Seconds between looks: soon after a message, and when none has come for long."""
REST = 600.0
"""Seconds without a message after which nothing is kept loaded."""


class WokenClock:
    """What the loop uses of the module ``time``: a sleep that ends when a message has come."""

    def __init__(self, pipe: int, rest: Callable[[], None], pace: Pace | None = None) -> None:
        """``rest`` is called when there has been no message for long."""
        self.pipe: int | None = pipe
        self.rest = rest
        self.pace = pace or Pace(SHORTEST, LONGEST)

    def sleep(self, seconds: float) -> None:
        """Sleep for the time that the pace says, whatever ``seconds`` are, and no longer than until a message comes."""
        pause = self.pace.pause()
        if self.pace.quiet() > REST:
            self.rest()
        if self.pipe is None:
            sleep(pause)
        elif select.select([self.pipe], [], [], pause)[0]:
            self.pace.happened()
            if not os.read(self.pipe, 4096):  # nobody writes any more; Flower ends this process with its parent
                self.pipe = None


def main() -> None:
    """``BOUNDS COMMAND...``: run Flower's command with its loop paced, and apps within the bounds in that file."""
    with ExitStack() as stack:
        try:
            starter = _starter(sys.argv[1], stack)
        except FileNotFoundError:
            return  # the node has ended while this process began, and took its folder along
        starter.start()
        vars(importlib.import_module(forks.MODULE)).update(subprocess=starter)
        vars(importlib.import_module(MODULE)).update(time=WokenClock(sys.stdin.fileno(), starter.rest))
        sys.argv = sys.argv[2:]
        importlib.import_module(CLI).flower_superexec()


def _starter(bounds: str, stack: ExitStack) -> Forks:
    if bounds == NO_CAGE:
        return Forks(WarmProcess(stack.enter_context(scratch_folder()) / "warm"))
    return CagedForks(Bounds.load(Path(bounds)))


if __name__ == "__main__":
    main()
