"""Measurements of an analyst: what can be read from a signal without knowing how it was made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

BEFORE, AFTER = 200, 300
"""Samples of the median beat before and after the middle of QRS."""


@dataclass(frozen=True)
class Measured:
    rate: float
    """Beats per minute."""
    variation: float
    """Standard deviation of the RR interval over its mean."""
    beat: NDArray[np.float32]
    """Median beat, ``[12, BEFORE + AFTER]``, around 0 in the PR segment."""
    qrs_onset: float
    qrs: float
    """Duration in ms."""
    p_peak: float
    """In ms before the onset of QRS."""
    t_end: float
    """In ms after the onset of QRS."""
    axis: float


def measure(ecg: NDArray[np.float32], fs: float = 500.0) -> Measured:
    """Measure one record ``[12, n]``."""
    speed = uniform_filter1d((np.gradient(ecg, axis=1) ** 2).sum(axis=0), 41)
    peaks, _ = find_peaks(speed, height=0.25 * np.quantile(speed, 0.985), distance=int(0.3 * fs))
    inside = peaks[(peaks > BEFORE) & (peaks < ecg.shape[1] - AFTER)]
    beat = np.median([ecg[:, p - BEFORE : p + AFTER] for p in inside], axis=0)
    rr = np.diff(peaks) / fs
    steep = np.sqrt((np.gradient(uniform_filter1d(beat, 5, axis=1), axis=1) ** 2).sum(axis=0))
    fast = np.flatnonzero(steep[BEFORE - 60 : BEFORE + 70] > 0.08 * steep.max()) + BEFORE - 60
    onset, end = fast[0], fast[-1]
    beat -= beat[:, onset - 10 : onset - 4].mean(axis=1, keepdims=True)
    reach = max(onset - 150, 0)
    p_wave = np.abs(beat[:, reach : onset - 25]).sum(axis=0)
    size = np.sqrt((beat**2).sum(axis=0))
    t_peak = end + 40 + np.argmax(size[end + 40 : onset + 240])
    t_end = t_peak + np.argmax(size[t_peak:] < 0.15 * size[t_peak])
    area = beat[:, onset:end].sum(axis=1)
    axis = np.rad2deg(np.arctan2(area[5] * 2 / np.sqrt(3), area[0]))
    scale = 1000 / fs
    return Measured(
        60 / rr.mean(), rr.std() / rr.mean(), beat, onset, (end - onset) * scale,
        (onset - reach - np.argmax(p_wave)) * scale, (t_end - onset) * scale, float(axis),
    )  # fmt: skip
