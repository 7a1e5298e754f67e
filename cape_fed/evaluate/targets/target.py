"""What a target is: where its values come from, and how predictions of it are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.statistics.metrics import (
    ranking_metrics,
    ranking_strata,
    regression_metrics,
    regression_strata,
)
from cape_fed.store import Store

Vector = NDArray[np.float64]
Codes = NDArray[np.int64]
Measure = Callable[[Vector, Vector, Codes, Vector], dict[str, Vector]]
"""From targets ``[n]``, scores ``[n]``, patient codes ``[n]`` and weights ``[P, B]`` to each metric ``[B]``."""
PoolWeights = Callable[[Vector, Codes, Vector], dict[str, Vector]]
"""From targets ``[n]``, patient codes ``[n]`` and weights ``[P, B]`` to a cohort's weight in a pool ``[B]``."""
Values = Callable[[Store], NDArray[np.floating]]


@dataclass(frozen=True)
class Kind:
    """How the predictions of a target are measured."""

    name: str
    metrics: tuple[str, str]
    """The first and the second metric."""
    measure: Measure
    pool_weights: PoolWeights


BINARY = Kind("binary", ("auroc", "auprc"), ranking_metrics, ranking_strata)
"""A yes (1) or a no (0)."""
REGRESSION = Kind("regression", ("mae", "r2"), regression_metrics, regression_strata)
"""A number in a unit."""


def everywhere(store: Store) -> bool:
    """The target may be known in any store."""
    return True


@dataclass(frozen=True)
class Target:
    """Something to predict from a recording, by name."""

    name: str
    kind: Kind
    read: Values
    """From a store to the target ``[N]`` of its records, NaN where it is not known; 1 or 0 for a binary target."""
    unit: str = ""
    """Of a regression target. Errors in different units are never averaged."""
    known_in: Callable[[Store], bool] = everywhere
    """Whether a store may hold values. Where none does, the target is not among the tasks of an evaluation."""
    own_groupings: tuple[str, ...] = ()
    """Groupings of the patients that follow from the target itself; results are not broken down by them."""

    def __post_init__(self) -> None:
        if self.kind is REGRESSION and not self.unit:
            raise ValueError(f"the regression target {self.name} needs a unit, in which its errors are stated")

    def values(self, store: Store) -> Vector:
        """The target ``[N]`` of a store's records, NaN where it is not known.

        Raises ValueError where ``read`` gives another shape, or other numbers than 0 and 1 for a binary target.
        """
        if not self.known_in(store):
            return np.full(len(store), np.nan)
        values = np.asarray(self.read(store)).astype(np.float64)
        if values.shape != (len(store),):
            raise ValueError(f"target {self.name} has shape {values.shape}, {store.cohort} has {len(store)} records")
        if self.kind is BINARY and not np.isin(values[np.isfinite(values)], (0.0, 1.0)).all():
            raise ValueError(f"target {self.name} of {store.cohort} has other values than 0 and 1")
        return values
