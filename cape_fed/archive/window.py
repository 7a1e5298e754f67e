"""The part of a recording that a store takes, which begins where its signal does."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import Entry, RawRecord, Reader

MAX_SECONDS = 1800.0
"""How far into a recording its signal is looked for."""
PADDING_SECONDS = 0.1
"""Zeros in all leads for this long at an end are padding; filters begin with a few zeros as well."""


def read_window(reader: Reader, root: Path, entry: Entry, seconds: float) -> RawRecord:
    """Read one record, the first ``seconds`` of it without padding; raises RecordError as the reader does."""
    raw = reader.read(root, entry, seconds)
    if _padding(raw.signal_mv) >= PADDING_SECONDS * raw.fs:
        raw = reader.read(root, entry, MAX_SECONDS)
    return window(raw, seconds)


def window(raw: RawRecord, seconds: float) -> RawRecord:
    """Cut a record to the first ``seconds`` between its padding, with the note ZERO_PADDED where there is some.

    ``declared_samples`` keeps the length there was. A recording of nothing but zeros stays what it is.
    """
    count = math.ceil(seconds * raw.fs)
    head = _padding(raw.signal_mv)
    first = head if PADDING_SECONDS * raw.fs <= head < raw.signal_mv.shape[1] else 0
    part = raw.signal_mv[:, first : first + count]
    tail = _padding(part[:, ::-1])
    last = part.shape[1] - tail if PADDING_SECONDS * raw.fs <= tail < part.shape[1] else part.shape[1]
    part = np.ascontiguousarray(part[:, :last])
    padded = ("ZERO_PADDED",) if first or last < min(count, raw.signal_mv.shape[1] - first) else ()
    whole = raw.declared_samples or raw.signal_mv.shape[1]
    return replace(
        raw,
        signal_mv=part,
        notes=tuple(dict.fromkeys((*raw.notes, *padded))),
        declared_samples=raw.declared_samples if part.shape[1] == whole else whole,
    )


def _padding(signal_mv: NDArray[np.float32]) -> int:
    """Samples at the beginning of ``[12, n]`` at which every lead is 0, leads that are missing excepted."""
    if not signal_mv.size or np.any(signal_mv[:, 0] != 0, where=~np.isnan(signal_mv[:, 0])):
        return 0
    present = signal_mv[~np.isnan(signal_mv).all(axis=1)]
    there = np.flatnonzero((present != 0).any(axis=0))
    return int(there[0]) if there.size and len(present) else signal_mv.shape[1]
