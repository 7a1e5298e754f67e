"""Metrics as numbers again: of a directory, or of an exporter that answers over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import HTTPException
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from cape_fed.errors import InputError

SECONDS = 5.0
LARGEST = 16 << 20
"""Bytes of an answer that are read at most."""


class Samples:
    """Values by name and labels at one moment."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._by_name: dict[str, list[tuple[dict[str, str], float]]] = {}
        for metric in metrics:
            for sample in metric.samples:
                labels = {label: _printable(value) for label, value in sample.labels.items()}
                self._by_name.setdefault(sample.name, []).append((labels, sample.value))

    def get(self, name: str, **labels: str) -> float | None:
        """The first value with these labels; None where there is none."""
        return next((value for _, value in self._found(name, labels)), None)

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Values by one label, of those series that have the others, in their order."""
        return {own[label]: value for own, value in self._found(name, labels)}

    def label(self, name: str, label: str, **labels: str) -> str:
        """A label of the first series with these labels; empty where there is none."""
        return next((own[label] for own, _ in self._found(name, labels)), "")

    def chosen(self, name: str, label: str, **labels: str) -> str:
        """Of series of which one is 1, that one's label; empty where none is."""
        return next((choice for choice, value in self.by(name, label, **labels).items() if value == 1), "")

    def _found(self, name: str, labels: dict[str, str]) -> Iterable[tuple[dict[str, str], float]]:
        return ((own, value) for own, value in self._by_name.get(name, ()) if labels.items() <= own.items())


def fetch(address: str) -> Samples:
    """What the exporter at ``HOST:PORT`` or at an http address shows; InputError where none answers there."""
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"{address} is neither a directory nor HOST:PORT of an exporter")
    target = url if parts.path not in ("", "/") else f"{url.rstrip('/')}/metrics"
    try:
        with build_opener(ProxyHandler({})).open(target, timeout=SECONDS) as answer:
            text = answer.read(LARGEST).decode()
        return Samples(text_string_to_metric_families(text))
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"no exporter answers at {target}: {reason}") from error


def _printable(text: str) -> str:
    """A label without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
