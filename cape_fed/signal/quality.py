"""Signal quality of one recording as a set of flags."""

from __future__ import annotations

from enum import IntFlag
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Action = Literal["drop", "mask", "keep"]

MIN_SECONDS = 2.0
"""Shorter recordings hold too few beats to be worth a place in a batch."""
STRIDE_SECONDS = 0.02
"""Amplitude is judged on samples this far apart: QRS complexes stay, pacemaker spikes mostly fall between."""
FLAT_MV = 0.01
"""A lead is flat when its range within a second, as the median over the seconds, is at most this: below any QRS."""
PLAUSIBLE_MV = (0.05, 10.0)
"""Bounds for the range within a second (median over seconds and leads); real 12-lead cohorts lie at 0.3 to 4 mV."""
IDENTITY_RATIO = 0.1
"""A limb identity is violated when its residual's RMS exceeds this share of the leads' RMS ..."""
IDENTITY_MV = 0.03
"""... and this much in mV, which independent noise and the ADC step of each lead stay below."""
IDENTITY_EDGE_SECONDS = 0.2
"""Left out at both ends: resampling leaves transients there in public archives (CODE-15%) that are no lead error."""
RAIL_MV = 1.0
"""A rail is at least this far from the lead's mean ..."""
RAIL_SECONDS = 0.03
RAIL_SAMPLES = 8
"""... and the lead meets its extreme exactly for this long in total; R peaks in real cohorts reach 4 samples ..."""
RAIL_MARGIN = 0.05
RAIL_RATIO = 2.0
"""... mostly in a row, with twice as many samples on it as within 5 % below, which no peak has on a coarse ADC."""
HOLD_MV = 2.0
HOLD_STRIDES = 5
"""A lead that keeps a value this far from its mean over so many strides is stuck, be it at its extreme or not."""
INT16_MV = 32.767
"""Largest amplitude that a store holds (int16 at 1 µV)."""


class Quality(IntFlag):
    """What is unusual about a recording; the values are stored and never change meaning."""

    NO_SIGNAL = 1
    SHORT = 2
    MOSTLY_NON_FINITE = 4
    MISSING_LEAD = 8
    FLAT_LEAD = 16
    NON_FINITE = 32
    SATURATED = 64
    LIMB_IDENTITY = 128
    GAIN = 256
    CLIPPED = 512
    DUPLICATE = 1024


ACTION: dict[Quality, Action] = {
    Quality.NO_SIGNAL: "drop",
    Quality.SHORT: "drop",
    Quality.MOSTLY_NON_FINITE: "drop",
    Quality.MISSING_LEAD: "mask",
    Quality.FLAT_LEAD: "mask",
    Quality.NON_FINITE: "mask",
    Quality.SATURATED: "keep",
    Quality.LIMB_IDENTITY: "keep",
    Quality.GAIN: "keep",
    Quality.CLIPPED: "keep",
    Quality.DUPLICATE: "drop",
}
"""drop: the record stays out of the store. mask: what is affected is stored as zeros. keep: flagged only."""

DROP = Quality(sum(flag for flag, action in ACTION.items() if action == "drop"))
"""Every flag that keeps a record out of the store."""

REMEDY: dict[Quality, str] = {
    Quality.NO_SIGNAL: "export the recording again; ingest leaves it out",
    Quality.SHORT: f"ingest leaves recordings under {MIN_SECONDS:g} s out; export the full strip if there is one",
    Quality.MOSTLY_NON_FINITE: "ingest leaves it out; export the recording again",
    Quality.MISSING_LEAD: "stored as zeros and flagged; export all twelve leads where the device has them",
    Quality.FLAT_LEAD: "stored as zeros and flagged; look for an electrode that was off",
    Quality.NON_FINITE: "those samples are stored as zeros and flagged",
    Quality.SATURATED: "kept and flagged; export at a lower gain if the device still holds the recording",
    Quality.LIMB_IDENTITY: "kept and flagged; check the order, sign and gain of the limb leads in the export",
    Quality.GAIN: "kept and flagged; check gain and unit in the header, or whether electrodes were off",
    Quality.CLIPPED: f"kept and flagged, cut at ±{INT16_MV} mV; check gain and unit in the header",
    Quality.DUPLICATE: "ingest keeps one copy for each patient; nothing to do",
}
"""One line for each flag that says what happens and what a site can do."""


def assess(signal_mv: NDArray[np.float32], fs: float, saturated_leads: int = 0) -> Quality:
    """Flag one recording; ``signal_mv`` is ``[12, n]`` in mV in the order of ``LEADS``, NaN where missing.

    ``saturated_leads`` is the reader's bit mask of leads that stay at an end of the ADC's range. DUPLICATE is not
    set here: it takes more than one record to see one.
    """
    samples = signal_mv.shape[1]
    finite = np.isfinite(signal_mv)
    present = np.asarray(finite.any(axis=1))
    flags, limb_mv = Quality(0), signal_mv[:6]
    if not finite.all():
        flags = _completeness(finite, present)
        limb_mv = limb_mv[:, finite[:6][present[:6]].all(axis=0)]
        signal_mv = _fill(signal_mv, finite)
    if samples < MIN_SECONDS * fs:
        flags |= Quality.SHORT
    if samples == 0 or not present.any():
        return flags | Quality.NO_SIGNAL
    if flags & Quality.MOSTLY_NON_FINITE:
        return flags
    swing = _swing(signal_mv, fs)
    alive = present & (swing > FLAT_MV)
    if not alive.any():
        return flags | Quality.NO_SIGNAL
    if (present & ~alive).any():
        flags |= Quality.FLAT_LEAD
    if not PLAUSIBLE_MV[0] <= float(np.median(swing[alive])) <= PLAUSIBLE_MV[1]:
        flags |= Quality.GAIN
    if _identities_violated(limb_mv, fs, alive):
        flags |= Quality.LIMB_IDENTITY
    return flags | _range_flags(signal_mv, fs, saturated_leads)


def is_usable(signal_mv: NDArray[np.float32], fs: float) -> bool:
    """Whether ``assess`` would give ``[12, n]`` none of the flags that keep a record out of a store."""
    finite = np.isfinite(signal_mv)
    present = np.asarray(finite.any(axis=1))
    if signal_mv.shape[1] < MIN_SECONDS * fs or not present.any():
        return False
    if not finite.all():
        if _completeness(finite, present) & Quality.MOSTLY_NON_FINITE:
            return False
        signal_mv = _fill(signal_mv, finite)
    return bool((present & (_swing(signal_mv, fs) > FLAT_MV)).any())


def is_mostly_missing(finite: NDArray[np.bool_]) -> bool:
    """Whether fewer than half of the samples are there in the leads of ``[12, n]`` that have any: MOSTLY_NON_FINITE."""
    return bool(_completeness(finite, np.asarray(finite.any(axis=1))) & Quality.MOSTLY_NON_FINITE)


def amplitudes(signal_mv: NDArray[np.float32], fs: float) -> NDArray[np.float32]:
    """Range within one second of each lead in mV, as the median over seconds, ``[leads]`` for ``[leads, n]``."""
    finite = np.isfinite(signal_mv)
    return _swing(signal_mv if finite.all() else _fill(signal_mv, finite), fs)


def amplitude(signal_mv: NDArray[np.float32], fs: float) -> float:
    """Range within one second in mV, as the median over seconds and over leads that show a signal; NaN without any."""
    swing = amplitudes(signal_mv, fs)
    alive = swing[swing > FLAT_MV]
    return float(np.median(alive)) if alive.size else float("nan")


def _completeness(finite: NDArray[np.bool_], present: NDArray[np.bool_]) -> Quality:
    """Flags for leads and samples that are not there."""
    flags = Quality(0)
    if not present.all():
        flags |= Quality.MISSING_LEAD
    if not present.any():
        return flags
    share = float(finite[present].mean())
    if share < 0.5:
        return flags | Quality.MOSTLY_NON_FINITE
    return flags if share == 1.0 else flags | Quality.NON_FINITE


def _fill(signal_mv: NDArray[np.float32], finite: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Copy with each missing sample at its lead's mean, so that it adds neither range nor power."""
    count = np.maximum(finite.sum(axis=1, keepdims=True), 1)
    known = np.where(finite, signal_mv, np.float32(0))
    return np.where(finite, known, (known.sum(axis=1, keepdims=True, dtype=np.float64) / count).astype(np.float32))


def strides(fs: float) -> tuple[int, int]:
    """How many samples ``STRIDE_SECONDS`` are, and how many such strides make a second."""
    stride = max(1, round(STRIDE_SECONDS * fs))
    return stride, round(fs / stride)


def _strided(signal_mv: NDArray[np.float32], fs: float) -> tuple[NDArray[np.float32], int]:
    """Samples ``STRIDE_SECONDS`` apart, and how many of them make a second."""
    stride, per_second = strides(fs)
    return signal_mv[:, ::stride], per_second


def _swing(signal_mv: NDArray[np.float32], fs: float) -> NDArray[np.float32]:
    """Range within one second, as the median over the seconds, ``[12]`` in mV.

    One second holds a QRS complex at any rate above 60/min and little of the baseline wander; the median forgives
    bursts of noise.
    """
    strided, per_second = _strided(signal_mv, fs)
    leads, samples = strided.shape
    block = max(1, min(samples, per_second))
    count = samples // block
    blocks = strided[:, : count * block].reshape(leads, count, block)
    swing: NDArray[np.float32] = np.median(blocks.max(axis=2) - blocks.min(axis=2), axis=1)
    return swing


def _identities_violated(limb_mv: NDArray[np.float32], fs: float, present: NDArray[np.bool_]) -> bool:
    """Whether II = I + III or one of the augmented leads' definitions fails where its leads are present."""
    edge = int(IDENTITY_EDGE_SECONDS * fs)
    inner = limb_mv[:, edge : limb_mv.shape[1] - edge]
    if inner.shape[1] < 2 or not present[:2].all():
        return False
    inner = inner - inner.mean(axis=1, keepdims=True)
    one, two = inner[0], inner[1]
    derived = np.stack((two - one, (one + two) * -0.5, one - 0.5 * two, two - 0.5 * one))
    residual = inner[2:] - derived
    power = np.einsum("ij,ij->i", residual, residual)[present[2:6]] / inner.shape[1]
    scale = float(np.einsum("ij,ij->", inner[:2], inner[:2])) / (2 * inner.shape[1])
    return bool((np.sqrt(power) > max(IDENTITY_MV, IDENTITY_RATIO * np.sqrt(scale))).any())


def _range_flags(signal_mv: NDArray[np.float32], fs: float, saturated_leads: int) -> Quality:
    """SATURATED where a lead sits on a rail, CLIPPED where a store cannot hold the amplitude."""
    flags = Quality.SATURATED if saturated_leads else Quality(0)
    middle = signal_mv.mean(axis=1, keepdims=True)
    strided, _ = _strided(signal_mv, fs)
    held = (strided[:, 1:] == strided[:, :-1]) & (np.abs(strided[:, 1:] - middle) >= HOLD_MV)
    for _ in range(HOLD_STRIDES - 1):
        held = held[:, 1:] & held[:, :-1]
    if held.any():
        flags |= Quality.SATURATED
    for extreme in (signal_mv.max(axis=1), signal_mv.min(axis=1)):
        distance = np.abs(extreme - middle[:, 0])
        if (distance > INT16_MV).any():
            flags |= Quality.CLIPPED
        far = distance >= RAIL_MV
        if far.any() and _on_rail(signal_mv[far], fs, extreme[far, None], distance[far]).any():
            flags |= Quality.SATURATED
    return flags


def _on_rail(
    signal_mv: NDArray[np.float32], fs: float, extreme: NDArray[np.float32], distance: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Whether each lead meets its extreme for long, and does so at a cut rather than at rounded peaks."""
    at_extreme = signal_mv == extreme
    count = at_extreme.sum(axis=1)
    long = np.asarray(count >= max(RAIL_SAMPLES, RAIL_SECONDS * fs))
    if not long.any():
        return long
    in_a_row = (at_extreme[:, 1:] & at_extreme[:, :-1]).sum(axis=1)
    near = (np.abs(signal_mv - extreme) <= RAIL_MARGIN * distance[:, None]).sum(axis=1)
    cut: NDArray[np.bool_] = long & (2 * in_a_row >= count) & (count >= RAIL_RATIO * (near - count))
    return cut
