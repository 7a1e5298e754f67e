"""Intervals of an AUROC without resampling: DeLong's, with patients as clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Vector = NDArray[np.float64]


def delong_interval(target: Vector, score: Vector, patients: NDArray[np.int64], level: float) -> tuple[float, float]:
    """Interval of the AUROC of ``score [n]`` for ``target [n]`` of 0 and 1, records of one patient not independent.

    DeLong, DeLong and Clarke-Pearson (1988) where every patient has one record; with more, Obuchowski's (1997) sum over
    clusters. Wald's interval on the logit scale, so that it stays within 0 and 1; the point itself where the AUROC is 0
    or 1, whose variance is not known. NaN where a class has fewer than two patients.
    """
    area, variance = delong(target, score, patients)
    if not np.isfinite(variance):
        return float("nan"), float("nan")
    if not 0 < area < 1:
        return area, area
    reach = float(norm.ppf((1 + level) / 2)) * np.sqrt(variance) / (area * (1 - area))
    centre = np.log(area / (1 - area))
    low, high = 1 / (1 + np.exp(-(centre + np.array([-reach, reach]))))
    return float(low), float(high)


def delong(target: Vector, score: Vector, patients: NDArray[np.int64]) -> tuple[float, float]:
    """The AUROC and its variance; the components come from midranks (Sun and Xu 2014)."""
    positive = target > 0.5
    m, n = int(positive.sum()), int((~positive).sum())
    _, cluster = np.unique(patients, return_inverse=True)
    if min(len(np.unique(cluster[positive])), len(np.unique(cluster[~positive]))) < 2:
        return float("nan"), float("nan")
    ranks = rankdata(score)
    of_positives = (ranks[positive] - rankdata(score[positive])) / n
    of_negatives = 1 - (ranks[~positive] - rankdata(score[~positive])) / m
    area = float(of_positives.mean())
    up = _by_cluster(of_positives - area, cluster[positive], cluster.max() + 1)
    down = _by_cluster(of_negatives - area, cluster[~positive], cluster.max() + 1)
    clusters, with_positives, with_negatives = (
        len(np.unique(part)) for part in (cluster, cluster[positive], cluster[~positive])
    )
    s10 = with_positives / ((with_positives - 1) * m) * float(up @ up)
    s01 = with_negatives / ((with_negatives - 1) * n) * float(down @ down)
    s11 = clusters / (clusters - 1) * float(up @ down)
    return area, max(0.0, s10 / m + s01 / n + 2 * s11 / (m * n))


def _by_cluster(values: Vector, cluster: NDArray[np.int64], count: int) -> Vector:
    return np.asarray(np.bincount(cluster, values, minlength=count), np.float64)
