"""Metrics under many weightings of the patients at once.

Every function takes ``weights [P, B]``: how often each of P patients counts in each of B resamples. A record has the
weight of its patient, given by ``patients [n]`` with codes 0..P-1. The metric of the data as they are is the one under
weights of one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

HIGHER_IS_BETTER = {"auroc": True, "auprc": True, "mae": False, "r2": True}


def ranking_metrics(target: Vector, score: Vector, patients: NDArray[np.int64], weights: Vector) -> dict[str, Vector]:
    """AUROC and average precision ``[B]`` of ``score [n]`` for ``target [n]`` of 0 and 1; NaN where a class is absent.

    Ties count half in the AUROC. Average precision is the step-wise sum over distinct scores, as in scikit-learn.
    Only the distinct scores of positives are thresholds: with the negatives counted between them, a resample costs a
    sparse product instead of a sort.
    """
    positive = target > 0.5
    if not positive.any():
        return {name: np.full(weights.shape[1], np.nan) for name in ("auroc", "auprc")}
    thresholds, at = np.unique(score[positive], return_inverse=True)
    last = len(thresholds) - 1
    negatives = score[~positive]
    below, up_to = (np.searchsorted(thresholds, negatives, side) for side in ("left", "right"))
    # Row 2k + 1 holds the negatives tied with the k-th threshold from above, row 2k those between it and the next.
    rows = 2 * (last - below) + 2 - (up_to > below)
    at_threshold = _counts(last - at, patients[positive], len(thresholds), weights)
    between = _counts(rows, patients[~positive], 2 * len(thresholds) + 1, weights)
    hits, false = np.cumsum(at_threshold, axis=0), np.cumsum(between, axis=0)
    positives, all_negatives = hits[-1], false[-1]
    false_above, false_until = false[0:-1:2], false[1::2]
    with np.errstate(invalid="ignore", divide="ignore"):
        outranked = all_negatives - (false_above + false_until) / 2
        auroc = (at_threshold * outranked).sum(0) / (positives * all_negatives)
        precision = np.divide(hits, hits + false_until, out=np.zeros_like(hits), where=at_threshold > 0)
        auprc = (at_threshold * precision).sum(0) / positives
    return {"auroc": auroc, "auprc": np.where(all_negatives > 0, auprc, np.nan)}


def regression_metrics(
    target: Vector, score: Vector, patients: NDArray[np.int64], weights: Vector
) -> dict[str, Vector]:
    """Mean absolute error and R² ``[B]``; R² is NaN where the target does not vary."""
    error = score - target
    centred = target - target.mean()
    terms = np.stack([np.ones_like(error), np.abs(error), error**2, centred, centred**2])
    per_patient = np.stack([np.bincount(patients, term, minlength=len(weights)) for term in terms])
    n, absolute, squared, first, second = per_patient @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = second - first**2 / n
        r2 = np.where(spread > 1e-12 * second, 1 - squared / spread, np.nan)
        return {"mae": absolute / n, "r2": r2}


def ranking_strata(target: Vector, patients: NDArray[np.int64], weights: Vector) -> dict[str, Vector]:
    """How much a cohort weighs ``[B]`` in each metric when cohorts are pooled without comparing records across them.

    Pairs of a positive and a negative for the AUROC. None for average precision: what guessing gets is the share of
    positives, so that a mean over cohorts of different shares has no meaning.
    """
    positives = np.bincount(patients, target, minlength=len(weights)) @ weights
    negatives = np.bincount(patients, 1 - target, minlength=len(weights)) @ weights
    return {"auroc": positives * negatives}


def regression_strata(target: Vector, patients: NDArray[np.int64], weights: Vector) -> dict[str, Vector]:
    """`ranking_strata` for regression: records for the mean absolute error, spread around the cohort's mean for R²."""
    centred = target - target.mean()
    terms = (np.ones_like(centred), centred, centred**2)
    n, first, second = (np.bincount(patients, term, minlength=len(weights)) @ weights for term in terms)
    return {"mae": n, "r2": second - np.divide(first**2, n, out=np.zeros_like(n), where=n > 0)}


def _counts(rows: NDArray[np.intp], patients: NDArray[np.int64], height: int, weights: Vector) -> Vector:
    """Weight ``[height, B]`` of the records that fall on each row."""
    from scipy import sparse  # a tenth of a second that sites do without in most rounds

    ones = np.ones(len(rows))
    table = sparse.csr_matrix((ones, (rows, patients)), shape=(height, len(weights)))
    return np.asarray(table @ weights)
