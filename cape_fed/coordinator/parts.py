"""Where the time of a round goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal

Part = Literal["wait", "sites", "combine", "evaluate", "save"]
"""Until enough sites are there; their work and its way; the next encoder; an evaluation; a checkpoint."""


class Parts:
    """Adds up seconds by part."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def of(self, part: Part) -> Iterator[None]:
        """Count the time that the block takes, also where it raises."""
        begin = perf_counter()
        try:
            yield
        finally:
            self._seconds[part] = self._seconds.get(part, 0.0) + perf_counter() - begin

    def take(self) -> dict[str, float]:
        """Seconds by part since this was last asked."""
        taken, self._seconds = self._seconds, {}
        return taken
