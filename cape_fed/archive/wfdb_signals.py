"""The signals of one WFDB header as twelve leads in mV, at the rate of the fastest lead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import RecordError
from cape_fed.archive.calibration import scale_of, stuck_at_rail, to_millivolts
from cape_fed.archive.frames import frames_in, frames_wanted, read_format_16, read_packed, signals_by_file
from cape_fed.archive.headers import Header, SignalSpec
from cape_fed.archive.recording import Recording, as_millivolts
from cape_fed.signal.leads import LEAD_INDEX, LEADS, canonical_lead
from cape_fed.signal.resample import FS_RANGE, interpolate


class _Pick(NamedTuple):
    """Which signal is which lead."""

    row_of: dict[int, int]
    """Index of the signal → row in the order of ``LEADS``."""
    notes: frozenset[str]


@lru_cache(maxsize=1024)
def _pick_leads(names: tuple[str, ...]) -> _Pick:
    """Find the standard leads among the signal names; the first of two with the same name counts."""
    row_of: dict[int, int] = {}
    notes = set()
    for index, name in enumerate(names):
        lead = canonical_lead(name)
        if lead is None:
            notes.add("EXTRA_SIGNAL")
        elif LEAD_INDEX[lead] in row_of.values():
            notes.add("REPEATED_LEAD")
        else:
            row_of[index] = LEAD_INDEX[lead]
            if name != lead:
                notes.add("LEAD_SPELLING")
    if not row_of:
        raise RecordError("NO_LEADS", "no signal has the name of a standard lead")
    return _Pick(row_of, frozenset(notes))


@dataclass
class _Reading:
    """What is read of a record, file by file."""

    header: Header
    pick: _Pick
    signal: NDArray[np.float32]
    """``[12, n]`` in mV at the rate of the fastest lead, NaN where nothing was read."""
    frame: int
    """Samples a frame of the fastest lead."""
    common_gain: float | None
    notes: set[str]
    gains: list[float]
    saturated: int = 0

    def add(self, members: Sequence[int], digital: Sequence[NDArray[Any]], is_16: bool) -> None:
        """Take the leads among the signals of one file over, as ADC values."""
        by_frame = defaultdict(list)
        for place, index in enumerate(members):
            if index in self.pick.row_of:
                by_frame[self.header.signals[index].frame].append(place)
        for frame, places in by_frame.items():
            self._add(
                frame, [members[place] for place in places], np.stack([digital[place] for place in places]), is_16
            )

    def _add(self, frame: int, indices: list[int], digital: NDArray[Any], is_16: bool) -> None:
        """Take over the leads that have the same number of samples a frame, ``[leads, n]``."""
        rows = [self.pick.row_of[index] for index in indices]
        specs = [self.header.signals[index] for index in indices]
        scale = scale_of(tuple(map(self._calibration, specs)))
        millivolts = to_millivolts(digital, scale) if is_16 else as_millivolts((digital - scale.baseline) / scale.gain)
        if frame != self.frame:
            samples = self.signal.shape[1]
            millivolts = np.stack([interpolate(lead, frame, self.frame, samples) for lead in millivolts])
        self.signal[rows] = millivolts
        self.notes |= scale.notes
        for row, gain in zip(rows, scale.gain[:, 0].tolist(), strict=True):
            self.gains[row] = gain
        if is_16:
            stuck = stuck_at_rail(digital, specs)
            self.saturated |= sum(1 << row for row, is_stuck in zip(rows, stuck, strict=True) if is_stuck)

    def _calibration(self, spec: SignalSpec) -> tuple[float, int, str]:
        if self.common_gain is None:
            return spec.gain, spec.baseline, spec.unit
        return self.common_gain, spec.baseline, "mV"


def read_signals(
    folder: Path, header: Header, seconds: float | None, verify: bool, common_gain: float | None
) -> Recording:
    """Read the leads of a record without segments, at most its first ``seconds``; raises RecordError.

    ``verify`` and ``common_gain`` are those of ``read_recording``.
    """
    specs, pick = header.signals, _pick_leads(tuple(spec.name for spec in header.signals))
    files = signals_by_file(specs, list(pick.row_of))
    lengths = {name: frames_in(folder, name, [specs[index] for index in members]) for name, members in files.items()}
    available = min(lengths.values(), default=0)
    declared = header.samples or available
    count = frames_wanted(declared, header.fs, seconds, sum(spec.frame for spec in specs))
    if available < count:
        raise RecordError("TRUNCATED", f"{available} of {count} samples are there")
    frame = max(specs[index].frame for index in pick.row_of)
    signal = np.full((len(LEADS), count * frame), np.nan, np.float32)
    reading = _Reading(header, pick, signal, frame, common_gain, {*header.notes, *pick.notes}, [np.nan] * len(LEADS))
    _check_rates(reading)
    for name, members in files.items():
        held = [specs[index] for index in members]
        if all(spec.format == "16" for spec in held):
            digital = read_format_16(folder, name, held, count)
            reading.add(members, digital, True)
            reading.notes |= _oddities(held, digital, lengths[name], count, declared, verify)
        else:
            reading.add(members, read_packed(folder, name, held, count, header.fs), False)
    return Recording(
        signal,
        header.fs * frame,
        header.comments,
        tuple(sorted(reading.notes)),
        None if declared == count else declared * frame,
        reading.saturated,
        gains=tuple(reading.gains),
    )


def _check_rates(reading: _Reading) -> None:
    """Raise RecordError where a lead has no rate of an ECG; note where leads have several."""
    frames = {reading.header.signals[index].frame for index in reading.pick.row_of}
    for frame in frames:
        if not FS_RANGE[0] <= reading.header.fs * frame <= FS_RANGE[1]:
            raise RecordError("BAD_RATE", f"a lead at {reading.header.fs * frame:g} Hz cannot be an ECG")
    if len(frames) > 1:
        reading.notes.add("LEAD_RATES")


def _oddities(
    specs: Sequence[SignalSpec], digital: Sequence[NDArray[np.int16]], length: int, count: int, declared: int,
    verify: bool,
) -> set[str]:  # fmt: skip
    """Notes on a file in format 16 whose length or checksums are not those of the header."""
    notes = set()
    if not declared <= length <= declared + max(spec.skew for spec in specs):
        notes.add("LENGTH_MISMATCH")
    if verify and count == declared and not any(spec.skew for spec in specs) and _checksums_differ(digital, specs):
        notes.add("CHECKSUM")
    return notes


def _checksums_differ(digital: Sequence[NDArray[np.int16]], specs: Sequence[SignalSpec]) -> bool:
    """Compare each signal's 16-bit sum with the header's, where the header has one."""
    return any(
        spec.checksum is not None and (int(values.sum(dtype=np.int64)) - spec.checksum) & 0xFFFF
        for values, spec in zip(digital, specs, strict=True)
    )
