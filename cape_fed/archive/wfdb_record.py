"""One WFDB record as twelve leads in mV.

Format 16, which nearly every ECG archive uses, is read straight from the file; every other format goes through
``wfdb.rdrecord``, to which the fast path is equal.
"""

from __future__ import annotations

import math
import stat
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import RecordError
from cape_fed.archive.headers import DEFAULT_GAIN, Header, SignalSpec, read_header
from cape_fed.signal.leads import LEAD_INDEX, LEADS, canonical_lead
from cape_fed.signal.units import millivolts_per

MAX_SAMPLES = 1 << 26
"""Samples of all signals together that one read may take: 90 minutes of 12 leads at 1 kHz."""
GAIN_RANGE = (1e-3, 1e9)
"""ADC units per mV outside are a typing error, and would overflow."""
INVALID_16 = -(1 << 15)
"""The value that stands for "no sample" in format 16."""
RAIL_RUN = 5
"""A lead is saturated when it stays at an end of the ADC's range for this many samples in a row."""

_BYTES_PER_SAMPLE = {"8": 1.0, "16": 2.0, "24": 3.0, "32": 4.0, "61": 2.0, "80": 1.0, "160": 2.0, "212": 1.5}
_BYTES_PER_SAMPLE |= {"310": 4 / 3, "311": 4 / 3}
_COMPRESSED = ("508", "516", "524")


@dataclass(frozen=True, slots=True)
class Recording:
    """Signal and header of one record; the fields are those of ``RawRecord``."""

    signal_mv: NDArray[np.float32]
    fs: float
    comments: tuple[str, ...]
    notes: tuple[str, ...]
    declared_samples: int | None
    saturated_leads: int


class _Pick(NamedTuple):
    """Which signal is which lead."""

    row_of: dict[int, int]
    """Index of the signal → row in the order of ``LEADS``."""
    notes: frozenset[str]


class _Scale(NamedTuple):
    """How ADC values become mV: ``(value - baseline) / gain``, both ``[signals, 1]``."""

    baseline: NDArray[np.float32]
    gain: NDArray[np.float32]
    notes: frozenset[str]


def read_recording(stem: Path, seconds: float | None = None, verify: bool = False) -> Recording:
    """Read the record whose header is ``stem`` + ``.hea``, at most its first ``seconds``.

    ``verify`` also compares the header's checksums (format 16 only). Raises RecordError.
    """
    header = read_header(stem.with_name(stem.name + ".hea"))
    if header.segments:
        return _through_wfdb(stem, header, seconds)
    pick = _pick_leads(tuple(spec.name for spec in header.signals))
    files = _by_file(header.signals, pick)
    plain = all(
        spec.format == "16" and spec.frame == 1 and not spec.skew
        for members in files.values()
        for spec in map(header.signals.__getitem__, members)
    )
    return _format_16(stem, header, pick, files, seconds, verify) if plain else _through_wfdb(stem, header, seconds)


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


def _by_file(signals: Sequence[SignalSpec], pick: _Pick) -> dict[str, list[int]]:
    """Every signal of each file that holds a lead, in the order of the file; ``~`` is WFDB's name for no file."""
    needed = {signals[index].file for index in pick.row_of} - {"~"}
    members = defaultdict(list)
    for index, spec in enumerate(signals):
        if spec.file in needed:
            members[spec.file].append(index)
    return members


def _format_16(
    stem: Path, header: Header, pick: _Pick, files: dict[str, list[int]], seconds: float | None, verify: bool
) -> Recording:
    specs = header.signals
    lengths = {
        name: (_size(stem.parent, name) - specs[members[0]].offset) // (2 * len(members))
        for name, members in files.items()
    }
    available = min(lengths.values(), default=0)
    declared = header.samples or available
    count = _wanted(declared, header.fs, seconds, header.signal_count)
    if available < count:
        raise RecordError("TRUNCATED", f"{max(available, 0)} of {count} samples are there")
    notes = {*header.notes, *pick.notes}
    if any(length != declared for length in lengths.values()):
        notes.add("LENGTH_MISMATCH")
    signal = np.full((len(LEADS), count), np.nan, np.float32)
    saturated = 0
    for name, members in files.items():
        values = count * len(members)
        block = np.fromfile(stem.parent / name, "<i2", values, offset=specs[members[0]].offset).reshape(count, -1)
        if verify and count == declared and _checksums_differ(block, [specs[index] for index in members]):
            notes.add("CHECKSUM")
        leads = [(column, pick.row_of[index]) for column, index in enumerate(members) if index in pick.row_of]
        columns, rows = (list(part) for part in zip(*leads, strict=True))
        digital = np.ascontiguousarray(block.T)[columns]
        chosen = [specs[members[column]] for column in columns]
        scale = _scale(tuple((spec.gain, spec.baseline, spec.unit) for spec in chosen))
        signal[rows] = _to_millivolts(digital, scale)
        saturated |= sum(1 << row for row, stuck in zip(rows, _stuck(digital, chosen), strict=True) if stuck)
        notes |= scale.notes
    differs = None if declared == count else declared
    return Recording(signal, header.fs, header.comments, tuple(sorted(notes)), differs, saturated)


def _size(folder: Path, name: str) -> int:
    """Bytes of a signal file, which must be a plain file beside its header."""
    if Path(name).name != name:
        raise RecordError("BAD_HEADER", "a signal file is named with a path")
    try:
        status = (folder / name).stat()
    except (OSError, ValueError) as error:
        raise RecordError("MISSING_FILE", "the signal file is missing") from error
    if not stat.S_ISREG(status.st_mode):
        raise RecordError("MISSING_FILE", "the signal file is not a plain file")
    return status.st_size


def _wanted(declared: int, fs: float, seconds: float | None, signals: int) -> int:
    """Samples to read; bounded, so that a header cannot make the reader allocate what it likes."""
    count = declared if seconds is None else min(declared, math.ceil(seconds * fs))
    if count * signals > MAX_SAMPLES:
        raise RecordError("TOO_LONG", f"{declared} samples are declared")
    return count


@lru_cache(maxsize=1024)
def _scale(calibrations: tuple[tuple[float, int, str], ...]) -> _Scale:
    """Scale of signals given as ``(gain, baseline, unit)``."""
    notes = set()
    gains = []
    for gain, _, unit in calibrations:
        millivolts = millivolts_per(unit)
        if unit != "mV":
            notes.add("UNIT_SPELLING" if millivolts is not None else "UNIT_UNKNOWN")
        if gain == 0:
            notes.add("GAIN_MISSING")
        gains.append((gain or DEFAULT_GAIN) / (millivolts or 1.0))
    if not all(GAIN_RANGE[0] <= abs(gain) <= GAIN_RANGE[1] for gain in gains):
        raise RecordError("BAD_GAIN", "the gain in the header is impossible")
    if min(gains) < 0:
        notes.add("GAIN_NEGATIVE")
    baselines = [float(baseline) for _, baseline, _ in calibrations]
    if max(map(abs, baselines)) > 1 << 31:
        raise RecordError("BAD_GAIN", "the baseline in the header is impossible")
    return _Scale(_column(baselines), _column(gains), frozenset(notes))


def _column(values: Sequence[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)[:, None]


def _to_millivolts(digital: NDArray[np.int16], scale: _Scale) -> NDArray[np.float32]:
    signal = digital.astype(np.float32)
    if scale.baseline.any():
        signal -= scale.baseline
    signal /= scale.gain
    invalid = digital == INVALID_16
    if invalid.any():
        signal[invalid] = np.nan
    return signal


def _stuck(digital: NDArray[np.int16], specs: Sequence[SignalSpec]) -> list[bool]:
    """Whether each signal stays at an end of its ADC's range."""
    stuck = []
    for values, low, high, spec in zip(digital, digital.min(axis=1), digital.max(axis=1), specs, strict=True):
        floor, ceiling = _rails(spec)
        stuck.append(
            (high == ceiling and _longest_run(values == high) >= RAIL_RUN)
            or (low in (floor, floor + 1) and _longest_run(values == low) >= RAIL_RUN)
        )
    return stuck


def _rails(spec: SignalSpec) -> tuple[int, int]:
    bits = spec.resolution if 8 <= spec.resolution <= 16 else 16
    half = 1 << (bits - 1)
    middle = spec.zero if bits < 16 else 0
    return middle - half, middle + half - 1


def _longest_run(mask: NDArray[np.bool_]) -> int:
    """Length of the longest stretch of True."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _checksums_differ(block: NDArray[np.int16], specs: Sequence[SignalSpec]) -> bool:
    """Compare each signal's 16-bit sum with the header's, where the header has one."""
    sums = block.sum(axis=0, dtype=np.int64)
    return any(
        spec.checksum is not None and (int(total) - spec.checksum) & 0xFFFF
        for total, spec in zip(sums, specs, strict=True)
    )


def _through_wfdb(stem: Path, header: Header, seconds: float | None) -> Recording:
    """Read any format of the WFDB library."""
    import wfdb  # takes as long to import as a thousand records to read, and few archives need it

    declared = header.samples
    if declared is None:
        raise RecordError("BAD_HEADER", "the header states no number of samples")
    count = _wanted(declared, header.fs, seconds, max(1, sum(spec.frame for spec in header.signals)))
    _check_sizes(stem.parent, header, count)
    try:
        record = wfdb.rdrecord(str(stem.absolute()), sampto=count)
    except Exception as error:  # wfdb raises whatever its parsing runs into
        raise RecordError("UNREADABLE", f"the WFDB library cannot read it ({type(error).__name__})") from error
    pick = _pick_leads(tuple(record.sig_name))
    scale = _scale(tuple((1.0, 0, unit) for unit in record.units))
    physical = np.asarray(record.p_signal, np.float32).T / scale.gain
    signal = np.full((len(LEADS), count), np.nan, np.float32)
    for index, row in pick.row_of.items():
        signal[row] = np.where(np.isfinite(physical[index]), physical[index], np.nan)
    notes = {*header.notes, *pick.notes, *scale.notes}
    if any(spec.gain == 0 for spec in header.signals):
        notes.add("GAIN_MISSING")
    differs = None if declared == count else declared
    return Recording(signal, header.fs, header.comments, tuple(sorted(notes)), differs, 0)


def _check_sizes(folder: Path, header: Header, count: int) -> None:
    """Raise RecordError where a signal file is too small for what is to be read from it."""
    frames: dict[str, int] = defaultdict(int)
    first: dict[str, SignalSpec] = {}
    for spec in header.signals:
        frames[spec.file] += spec.frame
        first.setdefault(spec.file, spec)
    for name, spec in first.items():
        if name == "~" or spec.format in _COMPRESSED:
            continue
        if spec.format not in _BYTES_PER_SAMPLE:
            raise RecordError("UNREADABLE", f"signal format {spec.format} is not known")
        if _size(folder, name) < spec.offset + count * frames[name] * _BYTES_PER_SAMPLE[spec.format]:
            raise RecordError("TRUNCATED", f"the signal file is too small for {count} samples")
