"""What somebody gives as a recording in millivolts: is it numbers, is its rate one, can its unit be that?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.resample import FS_RANGE

MAX_MV = 200.0
"""No ECG reaches this far from a lead's median: larger numbers are microvolts or raw ADC counts."""
LARGEST_MV = 20.0
"""No ECG has a range like this within a second in half of its leads."""


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


def check_reach(values: NDArray[np.floating[Any]], name: str) -> None:
    """ValueError where a value of ``[leads, n]`` is too far from its lead's median for millivolts; NaN is passed over.

    At least one value is a number; ``name`` says which recording it is.
    """
    furthest = _furthest(values)
    if furthest > MAX_MV:
        raise ValueError(f"expected millivolts, {name} has values up to {furthest:.3g}: microvolts or ADC counts?")


def check_ranges(ranges: NDArray[np.float32], name: str) -> None:
    """ValueError where the ranges within a second of some leads, see `amplitudes`, are too large for millivolts."""
    if np.median(ranges) > LARGEST_MV:
        raise ValueError(
            f"expected millivolts, {name} has a range of {np.median(ranges):.3g} within a second: "
            "microvolts or ADC counts?"
        )


def as_numbers(ecg_mv: Any, shape: str, remedy: str = "") -> NDArray[Any]:
    """The input as an array of real numbers, masked where it is; not copied where it is one already.

    ValueError where it makes none, which names the ``shape`` that is expected and a ``remedy``.
    """
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
            f"expected an array of numbers {shape}, got {_kind(ecg_mv)} that makes none{remedy} "
            f"({' '.join(str(error).split())[:100]})"
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
