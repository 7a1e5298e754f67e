"""The part of a recording that a store takes: the first window with enough signal."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from cape_fed.archive.base import Entry, RawRecord, Reader, RecordError
from cape_fed.signal.quality import is_usable
from cape_fed.signal.window import first_window

MAX_SECONDS = 1800.0
"""How far into a recording its signal is looked for before all of it is read."""


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
    start, stop = first_window(raw.signal_mv, raw.fs, seconds)
    part, before = raw.signal_mv[:, start:stop], raw.signal_mv[:, :start]
    notes = set()
    if start:
        notes.add("LATE_START" if before.any() else "ZERO_PADDED")
    if stop < min(start + math.ceil(seconds * raw.fs), raw.signal_mv.shape[1]):
        notes.add("ZERO_PADDED")
    whole = raw.declared_samples or raw.signal_mv.shape[1]
    return replace(
        raw,
        signal_mv=np.ascontiguousarray(part),
        notes=tuple(dict.fromkeys((*raw.notes, *sorted(notes)))),
        begins=raw.begins + start / raw.fs,
        declared_samples=raw.declared_samples if part.shape[1] == whole else whole,
    )
