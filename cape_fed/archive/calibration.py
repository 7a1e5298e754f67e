"""How ADC values become mV, and where the ADC's range ends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import RecordError
from cape_fed.archive.headers import DEFAULT_GAIN, SignalSpec
from cape_fed.signal.units import millivolts_per

GAIN_RANGE = (1e-3, 1e9)
"""ADC units per mV outside are a typing error, and would overflow."""
INVALID_16 = -(1 << 15)
"""The value that stands for "no sample" in format 16."""
RAIL_RUN = 5
"""A lead is saturated when it stays at an end of the ADC's range for this many samples in a row."""


class Scale(NamedTuple):
    """How ADC values become mV: ``(value - baseline) / gain``, both ``[signals, 1]``."""

    baseline: NDArray[np.float32]
    gain: NDArray[np.float32]
    notes: frozenset[str]


@lru_cache(maxsize=1024)
def scale_of(calibrations: tuple[tuple[float, int, str], ...]) -> Scale:
    """Scale of signals given as ``(gain, baseline, unit)``."""
    notes = set()
    gains = []
    for gain, _, unit in calibrations:
        millivolts = millivolts_per(unit)
        if unit != "mV":
            notes.add("UNIT_SPELLING" if millivolts is not None else "UNIT_UNKNOWN")
        if gain == 0:
            notes.add("GAIN_MISSING")
        gains.append((gain or DEFAULT_GAIN) / (millivolts or 1.0))
    if not all(GAIN_RANGE[0] <= abs(gain) <= GAIN_RANGE[1] for gain in gains):
        raise RecordError("BAD_GAIN", "the gain in the header is impossible")
    if min(gains) < 0:
        notes.add("GAIN_NEGATIVE")
    baselines = [float(baseline) for _, baseline, _ in calibrations]
    if max(map(abs, baselines)) > 1 << 31:
        raise RecordError("BAD_GAIN", "the baseline in the header is impossible")
    return Scale(_column(baselines), _column(gains), frozenset(notes))


def _column(values: Sequence[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)[:, None]


def to_millivolts(digital: NDArray[np.int16], scale: Scale) -> NDArray[np.float32]:
    """Convert ``[signals, n]`` of format 16; NaN where a sample is marked as missing."""
    signal = digital.astype(np.float32)
    if scale.baseline.any():
        signal -= scale.baseline
    signal /= scale.gain
    invalid = digital == INVALID_16
    if invalid.any():
        signal[invalid] = np.nan
    return signal


def stuck_at_rail(digital: NDArray[np.int16], specs: Sequence[SignalSpec]) -> list[bool]:
    """Whether each signal stays at an end of its ADC's range; the value for a missing sample is no end."""
    stuck = []
    for values, low, high, spec in zip(digital, digital.min(axis=1), digital.max(axis=1), specs, strict=True):
        floor, ceiling = _rails(spec)
        stuck.append(
            (high == ceiling and _longest_run(values == ceiling) >= RAIL_RUN)
            or (low in (floor, INVALID_16) and _longest_run(values == floor) >= RAIL_RUN)
        )
    return stuck


def _rails(spec: SignalSpec) -> tuple[int, int]:
    """Lowest and highest value of the ADC; of all 16 bits where the header states no plausible resolution."""
    if not 8 <= spec.resolution < 16:
        return INVALID_16 + 1, -INVALID_16 - 1
    half = 1 << (spec.resolution - 1)
    return spec.zero - half, spec.zero + half - 1


def _longest_run(mask: NDArray[np.bool_]) -> int:
    """Length of the longest stretch of True."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return int((edges[1::2] - edges[::2]).max(initial=0))
