"""Leads without a signal, which stores and encoders take for missing, so that nothing is learnt of an open input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.profile import MICROVOLTS_PER_MV, Profile, apply_profile
from cape_fed.signal.quality import FLAT_MV


def store_row(
    ecg_mv: NDArray[np.float32], fs: float, profile: Profile, has_flat_lead: bool
) -> tuple[NDArray[np.int16], int]:
    """What `apply_profile` makes of a recording in which ``has_flat_lead`` was found, with its flat leads at 0.

    Which these are is read off the row, where noise beyond the profile's rate is gone.
    """
    row, valid = apply_profile(ecg_mv, fs, profile)
    if has_flat_lead:
        row[_is_flat(row[:, :valid], profile.fs)] = 0
    return row, valid


def any_flat(amplitudes_mv: NDArray[np.floating[Any]]) -> bool:
    """Whether one of some leads that are there shows no QRS complex, by their ranges within a second."""
    return bool((amplitudes_mv <= FLAT_MV).any())


def _is_flat(row: NDArray[np.int16], fs: int) -> NDArray[np.bool_]:
    seconds = row[:, : row.shape[1] // fs * fs].reshape(len(row), -1, fs)
    swing = np.median(np.ptp(seconds.astype(np.int32), axis=2), axis=1)
    flat: NDArray[np.bool_] = swing <= FLAT_MV * MICROVOLTS_PER_MV
    return flat
