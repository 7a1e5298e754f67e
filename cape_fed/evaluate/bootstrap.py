"""The bootstrap over patients: resamples, and statistics that carry their resampled values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.seeds import derive_rng

_BLOCK = 4_000_000
"""Weights held as float64 at a time: 32 MB."""


@dataclass(frozen=True)
class Sampled:
    """A statistic with its value in each resample; NaN where a resample does not allow it."""

    point: float
    draws: NDArray[np.float64]

    def interval(self, level: float) -> tuple[float, float]:
        """Percentile interval over the resamples that have a value; NaN where none has."""
        values = self.draws[np.isfinite(self.draws)]
        if not len(values):
            return float("nan"), float("nan")
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def p_value(self) -> float:
        """Two-sided p that the statistic is 0: twice the smaller share of resamples on one side of it.

        With the usual one added to count and number, so that it is never 0.
        """
        values = self.draws[np.isfinite(self.draws)]
        side = min(int((values <= 0).sum()), int((values >= 0).sum()))
        return min(1.0, 2 * (side + 1) / (len(values) + 1))

    def __sub__(self, other: Sampled) -> Sampled:
        return Sampled(self.point - other.point, self.draws - other.draws)


def mean(statistics: Sequence[Sampled]) -> Sampled:
    """Mean of statistics, resample by resample; at least one."""
    draws = np.mean([statistic.draws for statistic in statistics], axis=0)
    return Sampled(float(np.mean([statistic.point for statistic in statistics])), draws)


def worst(statistics: Sequence[Sampled], *, higher_is_better: bool) -> Sampled:
    """The worst of statistics, found anew in each resample; at least one."""
    pick = np.min if higher_is_better else np.max
    points = [statistic.point for statistic in statistics]
    return Sampled(float(pick(points)), pick([statistic.draws for statistic in statistics], axis=0))


def weighted_mean(statistics: Sequence[Sampled], weights: Sequence[Sampled]) -> Sampled:
    """Mean of statistics under weights that vary with the resample; one without a value takes no part in it."""
    values = np.array([np.append(statistic.draws, statistic.point) for statistic in statistics])
    shares = np.array([np.append(weight.draws, weight.point) for weight in weights])
    shares = np.where(np.isfinite(values), shares, 0.0)
    with np.errstate(invalid="ignore"):
        means = (np.nan_to_num(values) * shares).sum(axis=0) / shares.sum(axis=0)
    return Sampled(float(means[-1]), means[:-1])


def resample_patients(patients: int, resamples: int, seed: int, cohort: str) -> NDArray[np.uint8]:
    """How often each patient is drawn, ``[patients, resamples]``: with replacement, as many as there are.

    Depends on nothing but the arguments: tasks and methods evaluated on the same patients see the same resamples, which
    is what makes their differences paired. Cohorts are drawn independently of each other.
    """
    rng = derive_rng(seed, "bootstrap", cohort)
    counts = np.empty((patients, resamples), np.uint8)
    for column in range(resamples):
        counts[:, column] = np.bincount(rng.integers(0, patients, patients), minlength=patients)
    return counts


def bootstrap(
    metrics: Callable[[NDArray[np.float64]], dict[str, NDArray[np.float64]]], counts: NDArray[np.uint8]
) -> dict[str, Sampled]:
    """Evaluate ``metrics(weights [P, b])`` on the data as they are and under every resample, a block at a time."""
    points = metrics(np.ones((len(counts), 1)))
    step = max(1, _BLOCK // len(counts))
    blocks = [metrics(counts[:, start : start + step].astype(np.float64)) for start in range(0, counts.shape[1], step)]
    return {name: Sampled(float(points[name][0]), np.concatenate([b[name] for b in blocks])) for name in points}
