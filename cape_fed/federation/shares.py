"""Shares of a number of sites or patients."""

from __future__ import annotations

import math


def least_share(share: float, total: int) -> int:
    """The least whole number that is ``share`` of ``total`` or more.

    0.28 of 25 are 7, although the product of the two floats lies above 7.
    """
    return math.ceil(round(share * total, 6))
