"""From cells to effects: differences between levels over seeds and patients, with intervals and corrected p values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cape_fed.evaluate.statistics.bootstrap import Sampled


@dataclass(frozen=True)
class Effect:
    """A mean over seeds, of a level's measure or of its difference from another level's."""

    point: float
    low: float | None
    high: float | None
    """Interval over seeds and patients; none with a single seed, whose noise is not known."""
    p: float | None
    """Two-sided, of no difference, not corrected."""
    size: float | None
    """Point in standard deviations between seeds; none where they do not vary."""
    seeds: tuple[float, ...]
    """Each seed's own value."""
    error: float | None = None
    """Standard error of the point; none with a single seed."""


def effect(values: Sequence[Sampled], level: float = 0.95, *, worlds: bool = False) -> Effect:
    """Mean of one measure, or of paired differences in it, over seeds whose test patients are the same.

    Seeds and patients are crossed random factors: the variance of the mean is that between seeds over their number plus
    that of the seeds' mean under resampled patients. Student's t, degrees of freedom by Satterthwaite (1946) with those
    of the patients' part taken as infinite. In ``worlds`` every value has patients and hospitals of its own, whose
    noise is in the variance between the values already: this is then Student's t of one sample.
    """
    points = np.array([value.point for value in values])
    mean = float(points.mean())
    seeds = tuple(points.tolist())
    if len(points) < 2:
        return Effect(mean, None, None, None, None, seeds)
    between = float(points.var(ddof=1))
    of_patients = 0.0 if worlds else _variance_under_resampling(values)
    variance = between / len(points) + of_patients
    size = mean / between**0.5 if between > 0 else None
    if variance == 0:
        return Effect(mean, mean, mean, float(mean == 0), size, seeds, 0.0)
    error = variance**0.5
    freedom = (variance / (between / len(points))) ** 2 * (len(points) - 1) if between > 0 else np.inf
    reach = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return Effect(mean, mean - reach, mean + reach, p, size, seeds, error)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number by Holm's (1979) step-down, in the order given."""
    order = np.argsort(p_values)
    scaled = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return corrected.tolist()


def _variance_under_resampling(values: Sequence[Sampled]) -> float:
    """Variance of the mean over seeds when the patients are resampled, the same ones for every seed."""
    draws: NDArray[np.float64] = np.mean([value.draws for value in values], axis=0)
    draws = draws[np.isfinite(draws)]
    return float(draws.var(ddof=1)) if len(draws) > 1 else 0.0
