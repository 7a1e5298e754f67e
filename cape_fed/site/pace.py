"""How often a site looks for work: closely while something happens, seldom while nothing does."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

SHARE = 1 / 20
"""Of the time since something last happened: no round grows by more than this because a site looked too late."""


class Pace:
    """The pauses between looks, which grow with the time in which nothing has happened."""

    def __init__(self, shortest: float, longest: float, clock: Callable[[], float] = monotonic) -> None:
        """Bounds of a pause in seconds."""
        self.shortest = shortest
        self.longest = longest
        self.clock = clock
        self._last = clock()

    def happened(self) -> None:
        """There was something to do."""
        self._last = self.clock()

    def quiet(self) -> float:
        """Seconds in which nothing has happened."""
        return self.clock() - self._last

    def pause(self) -> float:
        """Seconds to wait before the next look."""
        return min(self.longest, max(self.shortest, SHARE * self.quiet()))
