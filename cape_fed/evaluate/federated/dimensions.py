"""Over how many dimensions a set of patients may be summed, and the public projection to so many."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.seeds import derive_rng

PATIENTS_A_DIMENSION = 15
"""Fewest patients of a set for every dimension that it is summed over. At this number, whoever knows Σx of a set and
the population finds 1.9 % of its members at 1 % false positives, however many dimensions there are."""


def most_of_totals(patients: int, per_dimension: int = PATIENTS_A_DIMENSION) -> int:
    """In how many dimensions Σx of a set of patients may be given."""
    return patients // per_dimension


def most_of_products(patients: int, per_dimension: int = PATIENTS_A_DIMENSION) -> int:
    """In how many dimensions d Σx and Σxxᵀ of a set of n patients may be given.

    Σxxᵀ has d(d + 1)/2 numbers and tells the more of each patient the more dimensions there are: d²/2n standard units
    squared beside the d/n of Σx. Both together may be twice as many as Σx alone, 2/15, at which whoever knows the
    population finds 2.5 % of the members at 1 % false positives. So d(d + 2) is at most 4n/15.
    """
    return min(patients // per_dimension, isqrt(4 * patients // per_dimension + 1) - 1)


def projection(width: int, dimensions: int, seed: int) -> NDArray[np.float64]:
    """Random orthonormal columns ``[width, dimensions]`` from the seed of a run: public, and the same at all sites.

    Fewer dimensions are the first columns of more, so that sums over different numbers of them have the first ones in
    common. InputError for more dimensions than an embedding has.
    """
    if not 0 < dimensions <= width:
        raise InputError(f"sums over {dimensions} dimensions of an embedding of {width}: name 1 to {width} of them")
    drawn = derive_rng(seed, "projection", width).standard_normal((width, width))
    orthonormal, triangle = np.linalg.qr(drawn)
    # Without fixed signs the columns would depend on the linear algebra library.
    return np.asarray(orthonormal * np.sign(np.diag(triangle)))[:, :dimensions]
