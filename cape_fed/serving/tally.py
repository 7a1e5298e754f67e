"""What a server has done so far, as metrics; numbers and status codes only."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from cape_fed.monitoring.build import add_build
from cape_fed.monitoring.families import Families, Series
from cape_fed.monitoring.machine import file_expiry
from cape_fed.monitoring.specs import SERVING_LATENCY, SERVING_SPECS

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of latencies in seconds."""


class Tally(Collector):
    """Counts, by several threads, what an exporter shows."""

    def __init__(self, info: Mapping[str, str], queue: int, certificate: Path | None = None) -> None:
        """``info`` names model, version and profile; ``queue`` is how many recordings may be held."""
        self.info = dict(info)
        self.queue = queue
        self.certificate = certificate
        self.held: Callable[[], int] = lambda: 0
        """How many recordings are held now."""
        self.is_ready: Callable[[], bool] = lambda: True
        self._lock = threading.Lock()
        self._counts: dict[Series, float] = {}
        self._latencies = [0] * (len(BOUNDS) + 1)
        self._latency_sum = 0.0

    def add(self, name: str, amount: float, /, **labels: str) -> None:
        """Count ``amount`` more."""
        key = (name, tuple(labels.values()))
        with self._lock:
            self._counts[key] = self._counts.get(key, 0.0) + amount

    def add_request(self, code: str, size: int, seconds: float) -> None:
        """Count an answered request, by the name of its status code; only those that succeed count as latency."""
        self.add("cape_fed_serving_requests_total", 1, code=code)
        self.add("cape_fed_serving_received_bytes_total", size)
        if code == "OK":
            with self._lock:
                self._latencies[bisect_left(BOUNDS, seconds)] += 1
                self._latency_sum += seconds

    def collect(self) -> Iterator[Metric]:
        """All metrics now."""
        families = Families(SERVING_SPECS)
        add_build(families)
        families.add("cape_fed_serving_info", 1.0, **self.info)
        families.add("cape_fed_serving_held_records", self.held())
        families.add("cape_fed_serving_queue_records", self.queue)
        if self.certificate is not None:
            families.add("cape_fed_serving_certificate_expiry_timestamp_seconds", file_expiry(self.certificate))
        with self._lock:
            counts, latencies, total = dict(self._counts), list(self._latencies), self._latency_sum
        for (name, labels), value in counts.items():
            families.add(name, value, **dict(zip(families.specs[name].labels, labels, strict=True)))
        yield from families.metrics()
        yield _histogram(latencies, total)

    def readiness(self) -> dict[str, str]:
        """Whether requests are accepted."""
        return {} if self.is_ready() else {"server": "is stopping"}


def _histogram(counts: list[int], total: float) -> Metric:
    family = HistogramMetricFamily(SERVING_LATENCY.name, SERVING_LATENCY.help)
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    family.add_metric([], [(bound, sum(counts[: place + 1])) for place, bound in enumerate(bounds)], total)
    return family
