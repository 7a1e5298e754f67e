"""The six limb leads, any two of which determine the other four."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LIMB = 6
"""The limb leads are the first so many of ``LEADS``."""
FROM_I_AND_II = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
"""I II III aVR aVL aVF as multiples of I and II: the laws of Einthoven (1913) and Goldberger (1942)."""


def limb_from_pair(first: int, second: int) -> NDArray[np.float64]:
    """``[6, 2]``: every limb lead as multiples of two of them, which are given by their places in ``LEADS``."""
    return FROM_I_AND_II @ np.linalg.inv(FROM_I_AND_II[[first, second]])
