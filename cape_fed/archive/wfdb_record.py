"""One WFDB record as twelve leads in mV.

Format 16, which nearly every ECG archive uses, is read straight from the file; every other format goes through
``wfdb.rdrecord``, to which the fast path is equal.
"""

from __future__ import annotations

import math
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import RecordError
from cape_fed.archive.calibration import scale_of, stuck_at_rail, to_millivolts
from cape_fed.archive.headers import Header, SignalSpec, is_plain_file, read_header
from cape_fed.archive.recording import Recording, as_millivolts
from cape_fed.signal.leads import LEAD_INDEX, LEADS, canonical_lead

MAX_SAMPLES = 1 << 26
"""Samples of all signals together that one read may take: 90 minutes of 12 leads at 1 kHz."""

_BYTES_PER_SAMPLE = {"8": 1.0, "16": 2.0, "24": 3.0, "32": 4.0, "61": 2.0, "80": 1.0, "160": 2.0, "212": 1.5}
_BYTES_PER_SAMPLE |= {"310": 4 / 3, "311": 4 / 3}
_COMPRESSED = ("508", "516", "524")


def record_files(path: str) -> tuple[str, ...]:
    """Header and usual signal files of the record ``path``; which of them are there is not looked up."""
    return f"{path}.hea", f"{path}.dat", f"{path}.mat", f"{path}.HEA"


class _Pick(NamedTuple):
    """Which signal is which lead."""

    row_of: dict[int, int]
    """Index of the signal → row in the order of ``LEADS``."""
    notes: frozenset[str]


def read_recording(stem: Path, seconds: float | None = None, verify: bool = False) -> Recording:
    """Read the record whose header is ``stem`` + ``.hea`` or ``.HEA``, at most its first ``seconds``.

    ``verify`` also compares the header's checksums (format 16 only). Raises RecordError.
    """
    path = stem.parent / f"{stem.name}.hea"
    shouted = path.with_suffix(".HEA")
    header = read_header(shouted if not is_plain_file(path) and is_plain_file(shouted) else path)
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
        name: max(0, _size(stem.parent, name) - specs[members[0]].offset) // (2 * len(members))
        for name, members in files.items()
    }
    available = min(lengths.values(), default=0)
    declared = header.samples or available
    count = _wanted(declared, header.fs, seconds, header.signal_count)
    if available < count:
        raise RecordError("TRUNCATED", f"{available} of {count} samples are there")
    notes = {*header.notes, *pick.notes}
    if any(length != declared for length in lengths.values()):
        notes.add("LENGTH_MISMATCH")
    signal = np.full((len(LEADS), count), np.nan, np.float32)
    saturated = 0
    for name, members in files.items():
        shape = (count, len(members))
        block = np.fromfile(stem.parent / name, "<i2", math.prod(shape), offset=specs[members[0]].offset).reshape(shape)
        if verify and count == declared and _checksums_differ(block, [specs[index] for index in members]):
            notes.add("CHECKSUM")
        leads = [(column, pick.row_of[index]) for column, index in enumerate(members) if index in pick.row_of]
        columns, rows = (list(part) for part in zip(*leads, strict=True))
        digital = np.ascontiguousarray(block.T)[columns]
        chosen = [specs[members[column]] for column in columns]
        scale = scale_of(tuple((spec.gain, spec.baseline, spec.unit) for spec in chosen))
        signal[rows] = to_millivolts(digital, scale)
        saturated |= sum(1 << row for row, stuck in zip(rows, stuck_at_rail(digital, chosen), strict=True) if stuck)
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
    if count == 0:
        raise RecordError("NO_SIGNAL", "it holds no samples")
    if count * signals > MAX_SAMPLES:
        raise RecordError("TOO_LONG", f"{declared} samples are declared")
    return count


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

    available = _frames(stem.parent, header.signals)
    declared = header.samples or available
    if declared is None:
        raise RecordError("BAD_HEADER", "the header states no number of samples")
    count = _wanted(declared, header.fs, seconds, max(header.signal_count, sum(spec.frame for spec in header.signals)))
    if available is not None and available < count:
        raise RecordError("TRUNCATED", f"{available} of {count} samples are there")
    try:
        with np.errstate(all="ignore"), _normalised(stem, header) as readable:
            # the library cannot stop early where the header states no length
            record = wfdb.rdrecord(str(readable), sampto=count if header.samples else None)
    except Exception as error:  # wfdb raises whatever its parsing runs into
        raise RecordError("UNREADABLE", f"the WFDB library cannot read it ({type(error).__name__})") from error
    if np.ndim(record.p_signal) != 2 or len(record.p_signal) < count:
        raise RecordError("UNREADABLE", "the WFDB library finds fewer samples than the header states")
    pick = _pick_leads(tuple(name or "" for name in record.sig_name))
    scale = scale_of(tuple((1.0, 0, unit or "mV") for unit in record.units))
    signal = np.full((len(LEADS), count), np.nan, np.float32)
    for index, row in pick.row_of.items():
        signal[row] = as_millivolts(record.p_signal[:count, index] / scale.gain[index])
    notes = {*header.notes, *pick.notes, *scale.notes}
    if any(spec.gain == 0 for spec in header.signals):
        notes.add("GAIN_MISSING")
    differs = None if declared == count else declared
    return Recording(signal, header.fs, header.comments, tuple(sorted(notes)), differs, 0)


@contextmanager
def _normalised(stem: Path, header: Header) -> Iterator[Path]:
    """The stem of a copy of the record's header in the library's own strict form, its signal files linked beside it.

    The library refuses dates in other styles, ``.mat`` in the record name and blanks in file names, all of which
    archives have. Records of several segments are left as they are: theirs are several headers.
    """
    if header.segments:
        yield stem.absolute()
        return
    with TemporaryDirectory(prefix="cape-fed-") as folder:
        links = {"~": "~"}
        for spec in header.signals:
            if spec.file not in links:
                links[spec.file] = f"{len(links)}.dat"
                (Path(folder) / links[spec.file]).symlink_to((stem.parent / spec.file).absolute())
        lines = [f"r {header.signal_count} {header.fs!r} {header.samples or ''}"]
        lines += [_strict_line(spec, links[spec.file]) for spec in header.signals]
        (Path(folder) / "r.hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield Path(folder) / "r"


def _strict_line(spec: SignalSpec, file: str) -> str:
    layout = f"{spec.format}x{spec.frame}:{spec.skew}+{spec.offset}"
    calibration = f"{spec.gain!r}({spec.baseline})/{spec.unit}"
    return f"{file} {layout} {calibration} {spec.resolution} {spec.zero} {spec.initial} 0 0 {spec.name}"


def _frames(folder: Path, signals: Sequence[SignalSpec]) -> int | None:
    """Samples of each signal that fit into the signal files, None where compression hides it."""
    samples: dict[str, int] = defaultdict(int)
    first: dict[str, SignalSpec] = {}
    for spec in signals:
        samples[spec.file] += spec.frame
        first.setdefault(spec.file, spec)
    frames = []
    for name, spec in first.items():
        if name == "~":
            continue
        size = max(0, _size(folder, name) - spec.offset)
        if spec.format in _COMPRESSED:
            continue
        if spec.format not in _BYTES_PER_SAMPLE:
            raise RecordError("UNREADABLE", f"signal format {spec.format} is not known")
        frames.append(int(size / _BYTES_PER_SAMPLE[spec.format] / max(1, samples[name])))
    return min(frames, default=None)
