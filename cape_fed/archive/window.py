"""The part of a recording that a store takes: the first window with enough signal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import Entry, RawRecord, Reader, RecordError
from cape_fed.signal.quality import FLAT_MV, is_usable

MAX_SECONDS = 1800.0
"""How far into a recording its signal is looked for before all of it is read."""
PADDING_SECONDS = 0.1
"""Nothing in all leads for this long at an end is padding; filters begin with a few zeros as well."""

Signal = NDArray[np.float32]


def read_window(reader: Reader, root: Path, entry: Entry, seconds: float, first: float | None = None) -> RawRecord:
    """Read one record and cut it to ``seconds`` as ``window`` does; raises RecordError as the reader does.

    ``first`` is how far the record is read at once, by default as far as the window reaches. More is read where the
    window does not begin at the beginning.
    """
    limit: float | None = first or seconds
    raw = reader.read(root, entry, limit)
    found = window(raw, seconds)
    for further in (MAX_SECONDS, None):
        if _is_settled(raw, found, limit):
            break
        limit = further
        try:
            raw = reader.read(root, entry, limit)
        except RecordError:  # what lies further in cannot be read
            break
        found = window(raw, seconds)
    return found


def _is_settled(raw: RawRecord, found: RawRecord, limit: float | None) -> bool:
    """Whether reading the recording beyond ``limit`` seconds could not change what is taken of it."""
    if limit is None or raw.signal_mv.shape[1] < math.ceil(limit * raw.fs):
        return True
    return found.begins == raw.begins and is_usable(found.signal_mv, found.fs)


def window(raw: RawRecord, seconds: float) -> RawRecord:
    """Cut a record to its first ``seconds`` with enough signal, where there is such a part, without padding.

    The notes ZERO_PADDED and LATE_START say why it does not begin or end where the recording does; ``begins`` says
    where it begins. ``declared_samples`` keeps the length there was. A recording of nothing stays what it is.
    """
    signal, count = raw.signal_mv, math.ceil(seconds * raw.fs)
    start, notes = 0, set()
    for start in _starts(signal, raw.fs):
        part = _without_tail(signal[:, start : start + count], raw.fs)
        if is_usable(part, raw.fs):
            break
    else:
        start = next(_starts(signal, raw.fs))
        part = _without_tail(signal[:, start : start + count], raw.fs)
    if start:
        notes.add("ZERO_PADDED" if not signal[:, :start].any() else "LATE_START")
    if part.shape[1] < min(count, signal.shape[1] - start):
        notes.add("ZERO_PADDED")
    whole = raw.declared_samples or signal.shape[1]
    return replace(
        raw,
        signal_mv=np.ascontiguousarray(part),
        notes=tuple(dict.fromkeys((*raw.notes, *sorted(notes)))),
        begins=raw.begins + start / raw.fs,
        declared_samples=raw.declared_samples if part.shape[1] == whole else whole,
    )


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


def _without_tail(part: Signal, fs: float) -> Signal:
    tail = _padding(part[:, ::-1])
    return part[:, : part.shape[1] - tail] if PADDING_SECONDS * fs <= tail < part.shape[1] else part


def _padding(signal: Signal) -> int:
    """Samples at the beginning of ``[12, n]`` at which every lead is 0 or missing."""
    if not signal.size or _is_there(signal[:, :1]).any():
        return 0
    there = np.flatnonzero(_is_there(signal).any(axis=0))
    return int(there[0]) if there.size else signal.shape[1]


def _is_there(signal: Signal) -> NDArray[np.bool_]:
    there: NDArray[np.bool_] = np.isfinite(signal) & (signal != 0)
    return there
