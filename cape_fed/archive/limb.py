"""The four limb leads that follow from the other two: many devices store eight leads and leave them to the reader."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.leads import LEAD_INDEX, LEADS
from cape_fed.signal.limb import FROM_I_AND_II, LIMB


def derive_limb_leads(signal_mv: NDArray[np.float32], stored: Set[str]) -> bool:
    """Fill in, in place, each of these leads that is not ``stored``, and say whether there was one.

    ``signal_mv`` is ``[12, n]`` in mV in the order of ``LEADS``. Nothing is derived unless I and II are stored.
    """
    missing = [lead for lead in LEADS[:LIMB] if lead not in stored]
    if not missing or not {"I", "II"} <= stored:
        return False
    limb = signal_mv[[LEAD_INDEX["I"], LEAD_INDEX["II"]]]
    for lead in missing:
        signal_mv[LEAD_INDEX[lead]] = FROM_I_AND_II[LEAD_INDEX[lead]].astype(np.float32) @ limb
    return True
