"""Where in a recording there is enough signal for a window."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.quality import FLAT_MV, is_usable

PADDING_SECONDS = 0.1
"""Nothing in all leads for this long at an end is padding; filters begin with a few zeros as well."""

Signal = NDArray[np.float32]


def first_window(signal_mv: Signal, fs: float, seconds: float) -> tuple[int, int]:
    """First and last sample, exclusive, of the first ``seconds`` of ``[12, n]`` with enough signal, without padding.

    Padding is 0 or missing in all leads. Where no part has enough signal, the window begins after the padding; a
    recording of nothing is taken as it is.
    """
    count = math.ceil(seconds * fs)
    for start in _starts(signal_mv, fs):
        stop = _without_tail(signal_mv, start, start + count, fs)
        if is_usable(signal_mv[:, start:stop], fs):
            return start, stop
    start = next(_starts(signal_mv, fs))
    return start, _without_tail(signal_mv, start, start + count, fs)


def _starts(signal: Signal, fs: float) -> Iterator[int]:
    """Where a window may begin: after the padding, then at every second that shows a signal."""
    head = _padding(signal)
    first = head if PADDING_SECONDS * fs <= head < signal.shape[1] else 0
    yield first
    second = max(1, round(fs))
    for start in (first + np.flatnonzero(_shows_signal(signal[:, first:], second)) * second).tolist():
        if start > first:
            yield start + _padding(signal[:, start : start + second])


def _shows_signal(signal: Signal, second: int) -> NDArray[np.bool_]:
    """Which whole seconds have a lead that is mostly there and not flat."""
    seconds = signal.shape[1] // second
    blocks = signal[:, : seconds * second].reshape(len(signal), seconds, second)
    finite = np.isfinite(blocks)
    high = np.max(blocks, axis=2, where=finite, initial=-np.inf)
    low = np.min(blocks, axis=2, where=finite, initial=np.inf)
    shows: NDArray[np.bool_] = ((high - low > FLAT_MV) & (finite.mean(axis=2) >= 0.5)).any(axis=0)
    return shows


def _without_tail(signal: Signal, start: int, stop: int, fs: float) -> int:
    part = signal[:, start:stop]
    tail = _padding(part[:, ::-1])
    length = int(part.shape[1])
    return start + (length - tail if PADDING_SECONDS * fs <= tail < length else length)


def _padding(signal: Signal) -> int:
    """Samples at the beginning of ``[12, n]`` at which every lead is 0 or missing."""
    if not signal.size or _is_there(signal[:, :1]).any():
        return 0
    there = np.flatnonzero(_is_there(signal).any(axis=0))
    return int(there[0]) if there.size else signal.shape[1]


def _is_there(signal: Signal) -> NDArray[np.bool_]:
    there: NDArray[np.bool_] = np.isfinite(signal) & (signal != 0)
    return there
