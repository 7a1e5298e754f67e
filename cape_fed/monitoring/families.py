"""Metrics as Prometheus wants them, from a table of what there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric: its name, what it means and which labels it has."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["counter", "gauge"]:
        """What ends in ``_total`` is a counter."""
        return "counter" if self.name.endswith("_total") else "gauge"


Series = tuple[str, tuple[str, ...]]
"""Name and label values."""


class Families:
    """Gathers the values of one scrape; a name or a label that is not in the table is a KeyError."""

    def __init__(self, specs: Iterable[Spec], highest: dict[Series, float] | None = None) -> None:
        """``highest`` is kept between scrapes: a counter never falls below what it has shown.

        A resumed run forgets the rounds after its last checkpoint, and Prometheus would take the smaller sum for a
        counter that began again at 0.
        """
        self.specs = {spec.name: spec for spec in specs}
        self.highest = {} if highest is None else highest
        self.values: dict[Series, float] = {}

    def add(self, name: str, value: float | None, /, **labels: str) -> None:
        """Set one value; None is left out."""
        if value is None:
            return
        spec = self.specs[name]
        key = (name, tuple(labels[label] for label in spec.labels))
        if spec.kind == "counter":
            value = self.highest[key] = max(value, self.highest.get(key, 0.0))
        self.values[key] = float(value)

    def one_of(self, name: str, label: str, choices: Iterable[str], chosen: str, /, **labels: str) -> None:
        """One series a choice: 1 for the one that holds, 0 for the others."""
        for choice in choices:
            self.add(name, float(choice == chosen), **{label: choice}, **labels)

    def metrics(self) -> Iterator[Metric]:
        """All metrics that have a value, in the order of the table."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for (name, labels), value in self.values.items():
            spec = self.specs[name]
            if name not in families:
                make = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
                families[name] = make(name, spec.help, labels=spec.labels)
            families[name].add_metric(labels, value)
        yield from (families[name] for name in self.specs if name in families)
