"""Attacks on sums by someone who holds embeddings of candidates and knows a population from elsewhere.

All functions take the embeddings of candidates ``[n, d]``, in the dimensions of the sum, and give a score to each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.probes.moments import Moments

Embeddings = NDArray[np.float64]
Scores = NDArray[np.float64]


def leverage(products: NDArray[np.float64], population: Moments, candidates: Embeddings) -> Scores:
    """How much less xᵀ(Σxxᵀ)⁻¹x is than it is in the population: a member takes part in its own Σxxᵀ ``[d, d]``."""
    own, known = _squares(_inverse(products), candidates), _squares(_inverse(population.xx), candidates)
    return np.asarray(-own / known, np.float64)


def agreement(products: NDArray[np.float64], records: float, population: Moments, candidates: Embeddings) -> Scores:
    """How far Σxxᵀ of ``records`` exceeds the population's in the direction of x: best where that is known exactly."""
    inverse = _inverse(population.xx / population.n)
    excess = inverse @ (products / records) @ inverse - inverse
    return _squares(np.asarray(excess, np.float64), candidates)


def closeness(total: NDArray[np.float64], records: float, population: Moments, candidates: Embeddings) -> Scores:
    """How far Σx ``[d]`` of ``records`` lies from the population's mean towards x, as Fisher's discriminant."""
    mean = population.x / population.n
    spread = population.xx / population.n - np.outer(mean, mean)
    return np.asarray((candidates - mean) @ _inverse(spread) @ (total / records - mean))


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.pinv(matrix), np.float64)


def _squares(matrix: NDArray[np.float64], candidates: Embeddings) -> Scores:
    return np.asarray(np.einsum("nd,de,ne->n", candidates, matrix, candidates, optimize=True))
