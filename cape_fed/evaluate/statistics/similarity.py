"""How alike two representations of the same records are: linear centred kernel alignment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def linear_cka(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Linear CKA (Kornblith et al. 2019) of ``[n, D]`` and ``[n, E]``, n > 3 rows being the same records.

    With the unbiased estimate of HSIC (Song et al. 2012), without which unrelated representations of few records look
    alike. 1 for representations that are equal up to rotation and scale, near 0 (or just below) for unrelated ones,
    NaN where one does not vary. Computed from products of features, never as an ``[n, n]`` matrix. ValueError where
    the rows do not pair.
    """
    if len(one) != len(other) or len(one) < 4:
        raise ValueError(f"{len(one)} and {len(other)} rows do not pair, or are too few")
    x, y = (_prepared(features) for features in (one, other))
    across, within_x, within_y = _hsic(x, y), _hsic(x, x), _hsic(y, y)
    return across / np.sqrt(within_x * within_y) if within_x > 0 and within_y > 0 else float("nan")


def _prepared(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centred, of unit mean square: the estimate knows neither shift nor scale, and numbers stay near 1."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    return np.asarray(centred / max(np.sqrt(np.mean(centred**2)), 1e-300))


def _hsic(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Unbiased HSIC of the kernels ``x xᵀ`` and ``y yᵀ`` with empty diagonals."""
    n = len(x)
    square_x, square_y = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    rows_x, rows_y = x @ x.sum(axis=0) - square_x, y @ y.sum(axis=0) - square_y
    product = np.square(x.T @ y).sum() - square_x @ square_y
    sums = rows_x.sum() * rows_y.sum() / ((n - 1) * (n - 2))
    return float((product + sums - 2 * (rows_x @ rows_y) / (n - 2)) / (n * (n - 3)))
