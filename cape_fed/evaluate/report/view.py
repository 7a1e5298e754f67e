"""What a report shows, the same for one evaluation and for a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.results import CohortInfo, Difference, ForeignInfo, MethodResults
from cape_fed.report.page import Picture

Curves = Sequence[Mapping[str, Any]]
"""Lines of a ``metrics.jsonl``."""


@dataclass(frozen=True)
class View:
    """Contents of a report. Methods are in the order in which they are shown, the baselines last."""

    title: str
    source: str
    """Where the numbers come from, in a few words."""
    methods: Sequence[str]
    baselines: Sequence[str]
    results: Mapping[str, MethodResults]
    """Of methods and baselines."""
    cohorts: Mapping[str, CohortInfo]
    differences: Sequence[Difference]
    options: EvaluateOptions
    curves: Mapping[str, Curves]
    """By method; methods without any are left out."""
    maps: Sequence[Picture]
    """One a method."""
    examples: Sequence[Picture]
    similarity: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    """CKA of each method to the first, over ID and OOD records."""
    foreign: Mapping[str, ForeignInfo] = field(default_factory=dict)
    """Of methods and baselines, those whose training patients are not known."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Baselines that are missing, and why."""

    @property
    def names(self) -> list[str]:
        """Methods, then baselines."""
        return [*self.methods, *self.baselines]

    @property
    def tasks(self) -> list[str]:
        """Tasks with a number, in the order of the results."""
        return list(dict.fromkeys(task for name in self.names for task in self.results[name].tasks))

    @property
    def known(self) -> bool:
        """Whether it is known of every method on whom it was trained."""
        return not any(name in self.foreign for name in self.methods)
