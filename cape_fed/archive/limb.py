"""The four limb leads that follow from the other two: many devices store eight leads and leave them to the reader."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.leads import LEAD_INDEX

FROM_I_AND_II = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}
"""Lead → weights of I and II (Einthoven: III = II − I; Goldberger: each augmented lead against the other two)."""


def derive_limb_leads(signal_mv: NDArray[np.float32], stored: Set[str]) -> bool:
    """Fill in, in place, each of these leads that is not ``stored``, and say whether there was one.

    ``signal_mv`` is ``[12, n]`` in mV in the order of ``LEADS``. Nothing is derived unless I and II are stored.
    """
    missing = [lead for lead in FROM_I_AND_II if lead not in stored]
    if not missing or not {"I", "II"} <= stored:
        return False
    limb = signal_mv[[LEAD_INDEX["I"], LEAD_INDEX["II"]]]
    for lead in missing:
        signal_mv[LEAD_INDEX[lead]] = np.array(FROM_I_AND_II[lead], np.float32) @ limb
    return True
