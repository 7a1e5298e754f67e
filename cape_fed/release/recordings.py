"""What is checked of recordings before an encoder sees them, record by record."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.flat import any_flat
from cape_fed.signal.given import as_numbers, check_ranges, check_reach
from cape_fed.signal.leads import LEADS
from cape_fed.signal.quality import amplitudes, is_mostly_missing
from cape_fed.signal.window import first_window

SMALLEST_MV = 0.02
"""No ECG stays below this range within a second in every lead, and none in volts reaches it."""


class Window(NamedTuple):
    """The part of a recording that becomes a row."""

    signal_mv: NDArray[np.float32]
    """``[12, n]``, NaN where a sample is not finite."""
    has_flat_lead: bool


def checked_recordings(ecg_mv: Any, fs: float, leads: int = len(LEADS)) -> NDArray[Any]:
    """One recording ``[leads, n]`` or several ``[B, leads, n]`` as an array of numbers, masked where the input is.

    Raises ValueError that says what does not fit.
    """
    ecg = as_numbers(
        ecg_mv, "[12, n] or [B, 12, n]", ": recordings of different lengths are embedded as a stream, iter(recordings)"
    )
    if ecg.ndim not in (2, 3):
        raise ValueError(f"expected [{leads}, n] or [B, {leads}, n], got an array of shape {ecg.shape}")
    if ecg.shape[-2] != leads:
        raise ValueError(f"expected {leads} leads on the second last axis, got shape {ecg.shape}{_hint(ecg, leads)}")
    if ecg.ndim == 3 and not len(ecg):
        raise ValueError("expected at least one record, got none")
    if ecg.shape[-1] < fs:
        raise ValueError(f"expected at least one second of signal, got {ecg.shape[-1]} samples at {fs:g} Hz")
    return ecg


def checked_recording(ecg_mv: Any, fs: float, leads: int, name: str) -> NDArray[Any]:
    """One recording ``[leads, n]`` of a stream, likewise; ``name`` says which it is."""
    try:
        ecg = checked_recordings(ecg_mv, fs, leads)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if ecg.ndim != 2:
        raise ValueError(f"{name}: a stream is of single recordings [{leads}, n], got an array of shape {ecg.shape}")
    return ecg


def checked_window(record: NDArray[Any], fs: float, seconds: float, name: str) -> Window:
    """The first ``seconds`` of ``[12, n]`` in mV with enough signal.

    Raises ValueError where less than a second of it is left without padding, most of its samples are missing, or its
    size cannot be that of millivolts; ``name`` says which record it is.
    """
    finite = np.isfinite(record)
    if not finite.any():
        raise ValueError(f"{name} has no finite sample")
    complete = finite.all()
    values = record if complete else np.where(finite, record, np.nan)
    check_reach(values, name)
    signal = values.astype(np.float32, copy=False)
    start, stop = first_window(signal, fs, seconds)
    part = signal[:, start:stop]
    if part.shape[1] < fs:
        raise ValueError(
            f"expected at least one second of signal, {name} has {part.shape[1]} samples at {fs:g} Hz without those at "
            "its ends that are missing or 0 in all leads"
        )
    leads = part if complete else _present(part, name)
    ranges = amplitudes(leads, fs) if len(leads) else np.zeros(1, np.float32)
    _check_size(ranges, name)
    return Window(part, any_flat(ranges))


def _present(part: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """The leads that have a sample."""
    there = np.isfinite(part)
    if is_mostly_missing(there):
        raise ValueError(f"{name} cannot be embedded: most samples are missing in the leads that it has")
    return part[there.any(axis=1)]


def _check_size(ranges: NDArray[np.float32], name: str) -> None:
    check_ranges(ranges, name)
    if ranges.max() < SMALLEST_MV:
        raise ValueError(
            f"expected millivolts, {name} has a range of {ranges.max():.2g} within a second in its largest lead: "
            "volts, or no ECG?"
        )


def _hint(ecg: NDArray[Any], leads: int) -> str:
    """What to do about an array with another number of leads than expected."""
    if ecg.shape[-1] == leads:
        return "; transpose it"
    return "; name the leads that it has: leads=[...]" if leads == len(LEADS) and ecg.shape[-2] < leads else ""
