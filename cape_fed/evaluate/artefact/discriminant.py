"""Linear discriminant analysis in closed form from the moments of each class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np

from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.ridge import LinearProbe, inverse_spread


def fit_discriminants(classes: Sequence[Moments], penalties: Sequence[float]) -> list[LinearProbe]:
    """One probe a penalty with one score a class, the largest of which names the class; n > 0 records in each class.

    All classes weigh the same whatever their size, as prior and in the covariance within classes. Features are
    standardised by the moments and constant ones get weight 0; a penalty is added to the diagonal of the covariance of
    the standardised features. Without one, this is scikit-learn's ``LinearDiscriminantAnalysis`` with equal priors.
    """
    shares = [moments * (1 / (moments.n * len(classes))) for moments in classes]
    total = reduce(add, shares)
    inverse = inverse_spread(total)
    # Centring first keeps the difference of squares accurate where cohorts are far from the origin.
    means = np.column_stack([moments.x / moments.n for moments in classes])
    centred = inverse[:, None] * (means - total.x[:, None])
    spread = (total.xx - np.outer(total.x, total.x)) * np.outer(inverse, inverse)
    eigenvalues, vectors = np.linalg.eigh(spread - centred @ centred.T / len(classes))
    rotated = vectors.T @ centred
    probes = []
    for penalty in penalties:
        directions = vectors @ (rotated / (np.maximum(eigenvalues, 0.0) + penalty)[:, None])
        weights = inverse[:, None] * directions
        probes.append(LinearProbe(weights, -(centred * directions).sum(0) / 2 - total.x @ weights, penalty))
    return probes
