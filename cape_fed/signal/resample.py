"""Resampling between the rates of archives and profiles."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

FS_RANGE = (50.0, 20000.0)
"""Sampling rates in Hz outside cannot be a diagnostic ECG and would make resampling meaningless."""
HALF_WIDTH = 10
KAISER_BETA = 5.0

Signal = NDArray[np.float32]
Exact = NDArray[np.float64]


def resample(ecg: Exact, fs: float, target: float) -> Exact:
    """Polyphase resampling from ``fs`` to ``target`` Hz: ``[..., n]`` to ``[..., ceil(n * target / fs)]``.

    Edges are held. Rates are rounded to 1/100 Hz, which keeps oddities such as 257 Hz exact and the ratio finite.
    """
    up, down = ratio(fs, target)
    if up == down:
        return ecg
    from scipy.signal import resample_poly  # a second's import that training and the sites do without

    return np.asarray(resample_poly(ecg, up, down, axis=-1, window=antialias(up, down), padtype="edge"), np.float64)


def ratio(fs: float, target: float) -> tuple[int, int]:
    """By which numbers, in lowest terms, a signal of ``fs`` Hz is up- and downsampled to ``target`` Hz."""
    numerator, denominator = round(target * 100), round(fs * 100)
    divisor = gcd(numerator, denominator)
    return numerator // divisor, denominator // divisor


@lru_cache(maxsize=16)
def antialias(up: int, down: int) -> Exact:
    """The filter that resample_poly designs by default, designed once a ratio and not once a record."""
    from scipy.signal import firwin

    rate = max(up, down)
    return np.asarray(firwin(2 * HALF_WIDTH * rate + 1, 1 / rate, window=("kaiser", KAISER_BETA)), np.float64)


def interpolate(ecg: Signal, frame: int, target: int, samples: int) -> Signal:
    """Bring one lead with ``frame`` samples a frame to ``target`` of them, ``[n]`` to ``[samples]``.

    A cubic spline through the samples that are there, so that these keep their value; NaN where the nearest is NaN.
    """
    if frame == target:
        return ecg
    from scipy.interpolate import CubicSpline

    place = np.arange(samples) * (frame / target)
    finite = np.isfinite(ecg)
    if finite.sum() < 2:
        return np.full(samples, np.nan, np.float32)
    there = np.flatnonzero(finite)
    values = CubicSpline(there, ecg[there].astype(np.float64))(np.clip(place, there[0], there[-1]))
    nearest = np.minimum(np.rint(place).astype(np.int64), len(ecg) - 1)
    return np.where(finite[nearest], values, np.nan).astype(np.float32)
