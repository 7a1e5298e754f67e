"""Whether the arm electrodes look exchanged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.leads import LEAD_INDEX

SLOPE_SECONDS = 0.02
OPPOSITE = -0.7
"""Correlation of the slopes of I and V6 from which on the two leads are mirror images."""


def arms_look_exchanged(signal_mv: NDArray[np.float32], fs: float) -> bool:
    """Whether lead I is V6 upside down with a negative QRS, as with exchanged arm electrodes or dextrocardia.

    ``signal_mv`` is ``[12, n]``. A wrong axis alone does not do it: V6 must be mainly positive. Leads with missing
    samples are not judged.
    """
    pair = signal_mv[[LEAD_INDEX["I"], LEAD_INDEX["V6"]]]
    lag, second = max(1, round(SLOPE_SECONDS * fs)), max(1, round(fs))
    if pair.shape[1] < 2 * second or not np.isfinite(pair).all():
        return False
    slope = (pair[:, lag:] - pair[:, :-lag]).astype(np.float64)
    slope -= slope.mean(axis=1, keepdims=True)
    power = float(np.sqrt((slope[0] @ slope[0]) * (slope[1] @ slope[1])))
    if power == 0 or slope[0] @ slope[1] / power > OPPOSITE:
        return False
    seconds = pair[:, : pair.shape[1] // second * second].reshape(2, -1, second)
    deflection = np.median(seconds.max(axis=2) + seconds.min(axis=2) - 2 * np.median(seconds, axis=2), axis=1)
    return bool(deflection[0] < 0 < deflection[1])
