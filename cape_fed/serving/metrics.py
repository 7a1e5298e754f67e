"""What an exporter shows of a server, whether it is one process or several."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from cape_fed.monitoring.build import add_build
from cape_fed.monitoring.exporter import make_exporter
from cape_fed.monitoring.families import Families
from cape_fed.monitoring.specs import SERVING_LATENCY, SERVING_SPECS
from cape_fed.serving.tally import BOUNDS, Counts

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ServingMetrics(Collector):
    """Counts as metrics."""

    info: dict[str, str]
    """Model, version and profile."""
    queue: int
    """Recordings that may be held."""
    certificate_end: float | None
    """Unix time at which the certificate that is served ends, where there is one."""
    counts: Callable[[], Counts]
    """Asks for them now; TimeoutError where a process does not answer."""

    def collect(self) -> Iterator[Metric]:
        """All metrics now."""
        counts = self.counts()
        families = Families(SERVING_SPECS)
        add_build(families)
        families.add("cape_fed_serving_info", 1.0, **self.info)
        families.add("cape_fed_serving_held_records", counts.held)
        families.add("cape_fed_serving_queue_records", self.queue)
        if self.certificate_end is not None:
            families.add("cape_fed_serving_certificate_expiry_timestamp_seconds", self.certificate_end)
        for (name, labels), value in counts.totals.items():
            families.add(name, value, **dict(zip(families.specs[name].labels, labels, strict=True)))
        yield from families.metrics()
        yield _histogram(counts)

    def readiness(self) -> dict[str, str]:
        """Whether requests are accepted."""
        try:
            return {} if self.counts().is_ready else {"server": "is stopping"}
        except TimeoutError:
            return {"server": "does not answer"}


@contextmanager
def shown_at(address: tuple[str, int] | None, metrics: ServingMetrics) -> Iterator[None]:
    """Show them over HTTP at host and port meanwhile, where there are any; InputError where they are taken."""
    if address is None:
        yield
        return
    with make_exporter(metrics, *address) as exporter:
        thread = threading.Thread(target=exporter.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        log.info("metrics at http://%s:%d/metrics", address[0], exporter.server_port)
        try:
            yield
        finally:
            exporter.shutdown()
            thread.join()


def _histogram(counts: Counts) -> Metric:
    family = HistogramMetricFamily(SERVING_LATENCY.name, SERVING_LATENCY.help)
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    buckets = [(bound, sum(counts.latencies[: place + 1])) for place, bound in enumerate(bounds)]
    family.add_metric([], buckets, counts.latency_sum)
    return family
