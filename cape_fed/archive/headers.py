"""WFDB header files: a fast parser for the fields an ECG archive needs.

Format: header(5) of the WFDB applications guide. Several times faster than ``wfdb.rdheader``, and lenient where
archives are: any bytes in comments, ``.mat`` in the record name, dates in any style.
"""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cape_fed.archive.base import RecordError
from cape_fed.signal.resample import FS_RANGE

DEFAULT_GAIN = 200.0
DEFAULT_FS = 250.0
MAX_HEADER_BYTES = 1 << 20
MAX_SIGNALS = 256
MAX_SAMPLES_DECLARED = (1 << 31) - 1
"""Samples of one signal; a week at 2 kHz stays below, and a store counts no further."""

MAX_FRAME = 100_000
MAX_SKEW = 1_000_000

_SIGNAL = re.compile(
    r"""(?P<file>\S+(?:[ ]\S+){0,8}?)\s+(?P<format>\d{1,3})(?:x(?P<frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?
    (?:\s+(?P<gain>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<unit>\S+))?
    (?:\s+(?P<resolution>\d+)(?:\s+(?P<zero>-?\d+)(?:\s+(?P<initial>-?\d+)(?:\s+(?P<checksum>-?\d+)
    (?:\s+(?P<block>-?\d+))?)?)?)?)?)?(?:\s+(?P<name>.*))?$""",
    re.VERBOSE,
)
_LINE_END = re.compile(r"\r\n|\n|\r")
"""``str.splitlines`` also cuts where a comment in another encoding has an ellipsis or a form feed."""
_INTEGERS = ("frame", "skew", "offset", "baseline", "resolution", "zero", "initial", "checksum")
_WHOLE = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """One signal line."""

    file: str
    format: str
    frame: int
    """Samples a frame; 1 unless the signal is sampled faster than the record."""
    skew: int
    """Frames in the file before the signal's first sample."""
    offset: int
    """Bytes before the first sample."""
    gain: float
    """ADC units a physical unit, as written; 0 means not calibrated."""
    baseline: int
    """ADC value of 0 physical units."""
    unit: str
    resolution: int
    """Bits of the ADC, 0 where unknown."""
    zero: int
    """ADC value in the middle of its range."""
    initial: int
    """First ADC value, from which formats of differences start."""
    checksum: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """What one ``.hea`` file says."""

    segments: int
    """0 for an ordinary record."""
    signal_count: int
    fs: float
    """Frames a second, which is the sampling rate of signals with one sample a frame."""
    samples: int | None
    """Frames."""
    signals: tuple[SignalSpec, ...]
    comments: tuple[str, ...]
    """Comment lines without their ``#``."""
    notes: tuple[str, ...]
    segment_list: tuple[tuple[str, int], ...] = ()
    """Name and frames of each segment; the name ``~`` stands for a gap."""


def is_plain_file(path: Path) -> bool:
    """Whether there is a file to read: no pipe, and False for names that no file can have."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def header_of(stem: Path) -> Path:
    """Path of the header of the record ``stem``: ``.HEA`` where that is there and ``.hea`` is not."""
    path, shouted = (stem.parent / f"{stem.name}{suffix}" for suffix in (".hea", ".HEA"))
    return shouted if not is_plain_file(path) and is_plain_file(shouted) else path


def read_header(path: Path) -> Header:
    """Read and parse a header file; raises RecordError where it is missing or malformed."""
    if not is_plain_file(path):
        raise RecordError("MISSING_FILE", "there is no header file")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_HEADER_BYTES + 1)
    except OSError as error:
        raise RecordError("UNREADABLE", f"the header cannot be read: {error.strerror}") from error
    if len(raw) > MAX_HEADER_BYTES:
        raise RecordError("BAD_HEADER", "the header is larger than 1 MiB")
    try:
        return parse_header(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return parse_header(raw.decode("latin-1"), ("NON_UTF8",))


def parse_header(text: str, notes: tuple[str, ...] = ()) -> Header:
    """Parse a header's text; ``notes`` are passed through. Raises RecordError where it is malformed."""
    lines = [line.strip() for line in _LINE_END.split(text)]
    comments = tuple(line.lstrip("# \t") for line in lines if line.startswith("#"))
    content = [line for line in lines if line and not line.startswith("#")]
    if not content:
        raise RecordError("BAD_HEADER", "the header is empty")
    segments, count, fs, samples = _record_line(content[0])
    if segments:
        _check_rates(fs, [1])
        return Header(segments, count, fs, samples, (), comments, notes, _segment_lines(content[1:], segments))
    if not 0 < count <= MAX_SIGNALS:
        raise RecordError("BAD_HEADER", f"the header declares {count} signals")
    listed, surplus = content[1 : count + 1], content[count + 1 :]
    if len(listed) < count or any(" " not in match["file"] for match in map(_SIGNAL.match, surplus) if match):
        raise RecordError("BAD_HEADER", f"the header declares {count} signals and lists {len(content) - 1}")
    if surplus:
        notes = (*notes, "STRAY_LINES")
    signals = tuple(map(_signal_line, listed))
    _check_rates(fs, [spec.frame for spec in signals])
    return Header(0, count, fs, samples, signals, comments, notes)


def _check_rates(fs: float, frames: Sequence[int]) -> None:
    """Raise RecordError where no signal has the rate of an ECG."""
    if not any(FS_RANGE[0] <= fs * frame <= FS_RANGE[1] for frame in frames):
        raise RecordError("BAD_RATE", f"a sampling rate of {fs * max(frames):g} Hz cannot be an ECG")


def _segment_lines(lines: list[str], segments: int) -> tuple[tuple[str, int], ...]:
    if len(lines) < segments:
        raise RecordError("BAD_HEADER", f"the header declares {segments} segments and lists {len(lines)}")
    try:
        listed = tuple((line.split()[0], int(line.split()[1])) for line in lines[:segments])
    except (IndexError, ValueError) as error:
        raise RecordError("BAD_HEADER", "a segment line is malformed") from error
    if any(frames < 0 for _, frames in listed):
        raise RecordError("BAD_HEADER", "a segment has a negative length")
    return listed


def _record_line(line: str) -> tuple[int, int, float, int | None]:
    """``name[/segments] signals [fs[/counter...] [samples ...]]`` → segments, signals, fs, samples.

    Lenient where the name has blanks: the signals are the first whole number after the first word.
    """
    words = line.split()
    fields = words[next((index for index, word in enumerate(words) if index and _WHOLE.fullmatch(word)), 1) - 1 :]
    _, _, segments = fields[0].partition("/")
    try:
        counts = int(segments or 0), int(fields[1])
        fs = float(fields[2].partition("/")[0].partition("(")[0]) if len(fields) > 2 else DEFAULT_FS
        samples = int(fields[3]) if len(fields) > 3 else 0
    except (IndexError, ValueError) as error:
        raise RecordError("BAD_HEADER", "the record line is malformed") from error
    if not math.isfinite(fs) or fs <= 0:
        raise RecordError("BAD_RATE", f"a sampling rate of {fs:g} Hz cannot be an ECG")
    if min(*counts, samples) < 0:
        raise RecordError("BAD_HEADER", "the record line has negative counts")
    if samples > MAX_SAMPLES_DECLARED:
        raise RecordError("TOO_LONG", f"{samples} samples are declared")
    return *counts, fs, samples or None


def _signal_line(line: str) -> SignalSpec:
    match = _SIGNAL.match(line)
    if match is None:
        raise RecordError("BAD_HEADER", "a signal line is malformed")
    field = match.groupdict()
    try:
        number = {key: int(field[key] or 0) for key in _INTEGERS}
        gain = float(field["gain"] or 0.0)
    except ValueError as error:  # more digits than Python converts
        raise RecordError("BAD_HEADER", "a signal line has an impossible number") from error
    if field["frame"] and not 0 < number["frame"] <= MAX_FRAME:
        raise RecordError("BAD_HEADER", f"{number['frame']} samples a frame are declared")
    if number["skew"] > MAX_SKEW:
        raise RecordError("BAD_HEADER", f"a skew of {number['skew']} frames is declared")
    return SignalSpec(
        file=field["file"],
        format=field["format"],
        frame=number["frame"] if field["frame"] else 1,
        skew=number["skew"],
        offset=number["offset"],
        gain=gain,
        baseline=number["baseline"] if field["baseline"] else number["zero"],
        unit=field["unit"] or "mV",
        resolution=number["resolution"],
        zero=number["zero"],
        initial=number["initial"],
        checksum=number["checksum"] if field["checksum"] else None,
        name=(field["name"] or "").strip(),
    )
