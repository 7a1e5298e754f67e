"""What is checked of recordings before an encoder sees them: shape, numbers, rate and unit, record by record."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.flat import any_flat
from cape_fed.signal.leads import LEADS
from cape_fed.signal.quality import amplitudes, is_mostly_missing
from cape_fed.signal.resample import FS_RANGE
from cape_fed.signal.window import first_window

MAX_MV = 200.0
"""No ECG reaches this far from a lead's median: larger numbers are microvolts or raw ADC counts."""
LARGEST_MV = 20.0
"""No ECG has a range like this within a second in half of its leads."""
SMALLEST_MV = 0.02
"""No ECG stays below this range within a second in every lead, and none in volts reaches it."""


class Window(NamedTuple):
    """The part of a recording that becomes a row."""

    signal_mv: NDArray[np.float32]
    """``[12, n]``, NaN where a sample is not finite."""
    has_flat_lead: bool


def checked_rate(fs: Any) -> float:
    """The sampling rate in Hz; raises ValueError where it is no number or none that an ECG has."""
    if isinstance(fs, bool | np.bool_) or not isinstance(fs, int | float | np.integer | np.floating):
        raise ValueError(f"expected the sampling rate fs as one number in Hz, got {_kind(fs)}")
    try:
        rate = float(fs)
    except OverflowError:
        rate = float("inf")
    if not np.isfinite(rate) or rate <= 0:
        raise ValueError(f"expected a sampling rate in Hz above 0, got {rate}")
    if not FS_RANGE[0] <= rate <= FS_RANGE[1]:
        raise ValueError(
            f"expected a sampling rate between {FS_RANGE[0]:g} and {FS_RANGE[1]:g} Hz, got {rate:g}: is it in Hz?"
        )
    return rate


def checked_recordings(ecg_mv: Any, fs: float, leads: int = len(LEADS)) -> NDArray[Any]:
    """One recording ``[leads, n]`` or several ``[B, leads, n]`` as an array of numbers, masked where the input is.

    Raises ValueError that says what does not fit.
    """
    ecg = _as_array(ecg_mv)
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
    furthest = _furthest(values)
    if furthest > MAX_MV:
        raise ValueError(f"expected millivolts, {name} has values up to {furthest:.3g}: microvolts or ADC counts?")
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


def _furthest(values: NDArray[np.floating[Any]]) -> float:
    """How far values of ``[leads, n]`` are from their lead's median, NaN passed over.

    Where no lead has a range above ``MAX_MV``, the widest range stands for it: none of its values is further away than
    that, and medians take many times as long.
    """
    with np.errstate(over="ignore"):
        ranges = np.fmax.reduce(values, axis=1) - np.fmin.reduce(values, axis=1)
        widest = float(np.fmax.reduce(ranges))
        if widest <= MAX_MV:
            return widest
        known = values[~np.isnan(ranges)].astype(np.float64)
        return float(np.nanmax(np.abs(known - np.nanmedian(known, axis=1, keepdims=True))))


def _check_size(ranges: NDArray[np.float32], name: str) -> None:
    if np.median(ranges) > LARGEST_MV:
        raise ValueError(
            f"expected millivolts, {name} has a range of {np.median(ranges):.3g} within a second: "
            "microvolts or ADC counts?"
        )
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


def _as_array(ecg_mv: Any) -> NDArray[Any]:
    """The input as an array of real numbers; not copied where it is one already."""
    ecg: NDArray[Any]
    try:
        if _is_masked(ecg_mv):
            ecg = _numbers(np.ma.stack(list(ecg_mv)) if isinstance(ecg_mv, list | tuple) else ecg_mv)
        else:
            ecg = _numbers(np.asarray(ecg_mv))
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        if isinstance(error, _NoNumbersError):
            raise ValueError(str(error)) from None
        raise ValueError(
            f"expected an array of numbers [12, n] or [B, 12, n], got {_kind(ecg_mv)} that makes none: recordings of "
            f"different lengths are embedded as a stream, iter(recordings) ({' '.join(str(error).split())[:100]})"
        ) from None
    return ecg


class _NoNumbersError(ValueError):
    """An array holds something else than real numbers."""


def _numbers(ecg: Any) -> Any:
    if ecg.dtype.kind not in "fiu":
        raise _NoNumbersError(f"expected numbers in mV, got an array of {ecg.dtype}")
    return ecg


def _is_masked(ecg_mv: Any) -> bool:
    if isinstance(ecg_mv, list | tuple):
        return any(isinstance(record, np.ma.MaskedArray) for record in ecg_mv)
    return isinstance(ecg_mv, np.ma.MaskedArray)


def _kind(value: Any) -> str:
    """What a value is, for a sentence."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
