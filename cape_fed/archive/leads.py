"""Leads that were read one by one, put together to the twelve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import RecordError
from cape_fed.archive.headers import MAX_SAMPLES_DECLARED
from cape_fed.archive.limb import derive_limb_leads
from cape_fed.archive.recording import Recording
from cape_fed.signal.leads import LEAD_INDEX, LEADS, canonical_lead
from cape_fed.signal.resample import FS_RANGE

MAX_GAP_SECONDS = 3600.0
"""Leads of one recording do not begin further apart."""


class Strip(NamedTuple):
    """One lead as stored."""

    name: str
    start: int
    """Samples of the recording before its first one."""
    signal_mv: NDArray[np.float32]
    """``[n]`` in mV, NaN where a sample is missing."""


def assembled(strips: Sequence[Strip], fs: float, seconds: float | None, notes: Iterable[str] = ()) -> Recording:
    """Twelve leads at one rate, at most the first ``seconds``, with the limb leads that were left to the reader.

    Raises RecordError where there is no lead, no sample or no possible rate.
    """
    if not FS_RANGE[0] <= fs <= FS_RANGE[1]:
        raise RecordError("BAD_RATE", f"a sampling rate of {fs:g} Hz cannot be an ECG")
    found = set(notes)
    chosen = _chosen(strips, found)
    ends = {strip.start + len(strip.signal_mv) for strip in chosen.values()}
    length = max(ends)
    if not length or min(strip.start for strip in chosen.values()) < 0:
        raise RecordError("TRUNCATED", "a lead has no samples")
    if length > MAX_SAMPLES_DECLARED or max(strip.start for strip in chosen.values()) > MAX_GAP_SECONDS * fs:
        raise RecordError("TOO_LONG", f"{length} samples are declared")
    if len({len(strip.signal_mv) for strip in chosen.values()}) > 1:
        found.add("LENGTH_MISMATCH")
    count = length if seconds is None else min(length, math.ceil(seconds * fs))
    signal = np.full((len(LEADS), count), np.nan, np.float32)
    for lead, strip in chosen.items():
        part = strip.signal_mv[: max(0, count - strip.start)]
        signal[LEAD_INDEX[lead], strip.start : strip.start + len(part)] = part
    if derive_limb_leads(signal, chosen.keys()):
        found.add("DERIVED_LEADS")
    return Recording(signal, fs, notes=tuple(sorted(found)), declared_samples=None if count == length else length)


def _chosen(strips: Sequence[Strip], notes: set[str]) -> dict[str, Strip]:
    """The strip of each standard lead; the first of two with the same name counts."""
    chosen: dict[str, Strip] = {}
    for strip in strips:
        lead = canonical_lead(strip.name)
        if lead is None:
            notes.add("EXTRA_SIGNAL")
        elif lead in chosen:
            notes.add("REPEATED_LEAD")
        else:
            chosen[lead] = strip
    if not chosen:
        raise RecordError("NO_LEADS", "no signal has the name of a standard lead")
    return chosen
