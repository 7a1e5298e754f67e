"""Ridge regression in closed form from moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.probes.moments import Moments

_CONSTANT = 1e-12
"""Variance, relative to the mean square, below which a feature is a constant with rounding errors on it."""

LEAST_SPREAD = 0.01
"""Standard deviation that a feature is taken to have at least, as a share of the root mean square over features."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear map from features to scores."""

    weights: NDArray[np.float64]
    """``[D, K]``, for features as they come."""
    intercept: NDArray[np.float64]
    """``[K]``."""
    penalty: float

    def scores(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores ``[n, K]`` of ``features [n, D]``."""
        return np.asarray(features.astype(np.float64) @ self.weights + self.intercept)

    def squared_error(self, moments: Moments) -> float:
        """Sum of squared errors over the records behind ``moments`` and over the K targets."""
        w, b = self.weights, self.intercept
        fit = np.einsum("dk,de,ek->k", w, moments.xx, w, optimize=True)
        cross = (w * (moments.xy - np.outer(moments.x, b))).sum(0)
        return float((moments.yy + fit - 2 * cross - 2 * b * moments.y + moments.n * b**2).sum())


def fit_ridge(moments: Moments, penalties: Sequence[float]) -> list[LinearProbe]:
    """One probe a penalty, n > 0 records.

    Features are standardised by the moments (see `inverse_spread`) and constant ones get weight 0; the intercept is not
    penalised. A penalty p is relative: it is scikit-learn's ``Ridge(alpha=p * n)`` on the standardised features, so
    that the same grid serves cohorts of any size.
    """
    mean, target_mean = moments.x / moments.n, moments.y / moments.n
    inverse = inverse_spread(moments)
    correlation = (moments.xx / moments.n - np.outer(mean, mean)) * np.outer(inverse, inverse)
    projected = (moments.xy / moments.n - np.outer(mean, target_mean)) * inverse[:, None]
    eigenvalues, vectors = np.linalg.eigh(correlation)
    rotated = vectors.T @ projected
    probes = []
    for penalty in penalties:
        shrunk = rotated / (np.maximum(eigenvalues, 0.0) + penalty)[:, None]
        weights = inverse[:, None] * (vectors @ shrunk)
        probes.append(LinearProbe(weights, target_mean - mean @ weights, penalty))
    return probes


def inverse_spread(moments: Moments) -> NDArray[np.float64]:
    """One over the standard deviation of each feature ``[D]``, 0 for constant ones.

    No feature is given a standard deviation below a hundredth of the average over features. Without that bound, a unit
    of an encoder that is constant but for one record would be scaled up so much that a second such record, perhaps in
    another hospital, would outweigh everything else.
    """
    mean_square = np.diag(moments.xx) / moments.n
    variance = mean_square - (moments.x / moments.n) ** 2
    varies = variance > _CONSTANT * mean_square
    if not varies.any():
        return np.zeros(len(varies))
    least = LEAST_SPREAD**2 * variance[varies].mean()
    return np.where(varies, 1 / np.sqrt(np.maximum(variance, least)), 0.0)


def choose_ridge(train: Moments, valid: Moments, penalties: Sequence[float]) -> LinearProbe:
    """Fit on ``train`` with the penalty of least squared error on ``valid``; the middle one where that is empty.

    ``valid`` may have only the first of the features: then the penalty is that of a probe on these.
    """
    probes = fit_ridge(train, penalties)
    if valid.n == 0:
        return probes[len(probes) // 2]
    judged = probes if valid.width == train.width else fit_ridge(train.first(valid.width), penalties)
    errors = [probe.squared_error(valid) for probe in judged]
    return probes[errors.index(min(errors))]
