"""The bootstrap over patients: resamples, and statistics that carry their resampled values."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cape_fed.seeds import derive_rng

_BLOCK = 4_000_000
"""Weights held as float64 at a time: 32 MB."""

Name = TypeVar("Name", bound=Hashable)
Statistics = Callable[[NDArray[np.float64]], dict[str, NDArray[np.float64]]]
"""From weights ``[P, b]`` of the patients to the values ``[b]`` of one or more statistics."""


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


@dataclass(frozen=True)
class Draws:
    """Resamples of a cohort's patients: with replacement, as many as there are; drawn when they are asked for.

    They depend on nothing but the fields: tasks and methods evaluated on the same patients see the same resamples,
    which is what makes their differences paired. Cohorts are drawn independently of each other.
    """

    patients: int
    resamples: int
    seed: int
    cohort: str

    def blocks(self) -> Iterator[NDArray[np.float64]]:
        """How often each patient is drawn, ``[patients, b]``, some resamples at a time."""
        rng = derive_rng(self.seed, "bootstrap", self.cohort)
        step = max(1, _BLOCK // self.patients)
        for start in range(0, self.resamples, step):
            counts = np.empty((self.patients, min(step, self.resamples - start)))
            for column in range(counts.shape[1]):
                drawn = rng.integers(0, self.patients, self.patients)
                counts[:, column] = np.bincount(drawn, minlength=self.patients)
            yield counts


def bootstrap(statistics: Mapping[Name, Statistics], draws: Draws) -> dict[Name, dict[str, Sampled]]:
    """Evaluate each of ``statistics`` on the data as they are and under every resample, which is drawn once for all."""
    points = {name: evaluate(np.ones((draws.patients, 1))) for name, evaluate in statistics.items()}
    blocks = [{name: evaluate(counts) for name, evaluate in statistics.items()} for counts in draws.blocks()]
    return {
        name: {
            metric: Sampled(float(point[0]), np.concatenate([block[name][metric] for block in blocks]))
            for metric, point in points[name].items()
        }
        for name in statistics
    }
