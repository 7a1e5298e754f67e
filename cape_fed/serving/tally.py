"""What a server has done so far, counted; numbers and status codes only."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from cape_fed.monitoring.families import Series

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of latencies in seconds; what is above them has a place of its own."""


class Counts(NamedTuple):
    """What one server, or several together, have done at a moment."""

    totals: dict[Series, float]
    """By metric and values of its labels."""
    latencies: tuple[int, ...]
    """Requests answered within each of `BOUNDS` and not within the one before, then all others."""
    latency_sum: float
    """Seconds."""
    held: int
    """Recordings that are accepted and not yet answered."""
    is_ready: bool
    """Whether requests are accepted."""


class Tally:
    """Counts, by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[Series, float] = {}
        self._latencies = [0] * (len(BOUNDS) + 1)
        self._latency_sum = 0.0

    def add(self, name: str, amount: float, /, **labels: str) -> None:
        """Count ``amount`` more."""
        key = (name, tuple(labels.values()))
        with self._lock:
            self._totals[key] = self._totals.get(key, 0.0) + amount

    def add_request(self, code: str, size: int, seconds: float) -> None:
        """Count an answered request, by the name of its status code; only those that succeed count as latency."""
        self.add("cape_fed_serving_requests_total", 1, code=code)
        self.add("cape_fed_serving_received_bytes_total", size)
        if code == "OK":
            with self._lock:
                self._latencies[bisect_left(BOUNDS, seconds)] += 1
                self._latency_sum += seconds

    def counts(self, held: int, is_ready: bool) -> Counts:
        """What was counted, beside what the server says of itself now."""
        with self._lock:
            return Counts(dict(self._totals), tuple(self._latencies), self._latency_sum, held, is_ready)


def summed(several: Sequence[Counts]) -> Counts:
    """What servers have done together; they are ready where all are."""
    names = {key: None for counts in several for key in counts.totals}
    return Counts(
        {key: sum(counts.totals.get(key, 0.0) for counts in several) for key in names},
        tuple(map(sum, zip(*(counts.latencies for counts in several), strict=True))),
        sum(counts.latency_sum for counts in several),
        sum(counts.held for counts in several),
        all(counts.is_ready for counts in several),
    )
