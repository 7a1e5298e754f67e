"""One WFDB record, in one piece or in segments, as twelve leads in mV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cape_fed.archive.base import RecordError
from cape_fed.archive.frames import frames_wanted
from cape_fed.archive.headers import Header, header_of, is_plain_file, read_header
from cape_fed.archive.recording import Recording
from cape_fed.archive.wfdb_signals import read_signals
from cape_fed.signal.leads import LEADS


def record_files(root: Path, path: str) -> tuple[str, ...]:
    """Header and signal files of the record ``path`` below ``root`` and of its segments, there or not.

    The header is read, for segments and for signal files of other names, where no signal file has the record's name.
    """
    return tuple(dict.fromkeys(_files(root, path, is_segment=False)))


def _files(root: Path, path: str, *, is_segment: bool) -> Iterator[str]:
    signals = f"{path}.dat", f"{path}.mat"
    yield from (f"{path}.hea", *signals, f"{path}.HEA")
    if not path or any(is_plain_file(root / name) for name in signals):
        return
    try:
        header = read_header(header_of(root / path))
    except RecordError:
        return
    folder = path[: path.rfind("/") + 1]
    yield from (f"{folder}{spec.file}" for spec in header.signals if _lies_beside(spec.file))
    for segment in () if is_segment else dict.fromkeys(name for name, _ in header.segment_list):
        if _lies_beside(segment):
            yield from _files(root, f"{folder}{segment}", is_segment=True)


def _lies_beside(name: str) -> bool:
    return name != "~" and Path(name).name == name


def without_suffix(name: str) -> str:
    """The path of a record whose header a table may name with its suffix."""
    return name.removesuffix(".hea").removesuffix(".HEA")


def read_recording(
    stem: Path, seconds: float | None = None, verify: bool = False, common_gain: float | None = None
) -> Recording:
    """Read the record whose header is ``stem`` + ``.hea`` or ``.HEA``, at most its first ``seconds``.

    ``verify`` also compares the header's checksums (format 16 only). ``common_gain``, in ADC units per mV, replaces
    the gains of the header. Raises RecordError.
    """
    header = read_header(header_of(stem))
    read = _join_segments if header.segments else read_signals
    return read(stem.parent, header, seconds, verify, common_gain)


def _join_segments(
    folder: Path, header: Header, seconds: float | None, verify: bool, common_gain: float | None
) -> Recording:
    """Read the segments of a record one after the other; gaps, and segments without a lead, are missing samples."""
    segments = [(name, frames) for name, frames in header.segment_list if frames]
    declared = header.samples or sum(frames for _, frames in segments)
    count = frames_wanted(declared, header.fs, seconds, header.signal_count)
    parts: list[tuple[Recording | None, int]] = []
    left = count
    for name, frames in segments:
        take = min(frames, left)
        if take:
            parts.append((_read_segment(folder, name, header.fs, take, verify, common_gain), take))
        left -= take
    if left:
        raise RecordError("TRUNCATED", f"the segments hold {count - left} of {count} samples")
    return _joined(header, parts, declared, count)


def _read_segment(
    folder: Path, name: str, fs: float, frames: int, verify: bool, common_gain: float | None
) -> Recording | None:
    if name == "~":
        return None
    if Path(name).name != name:
        raise RecordError("BAD_HEADER", "a segment is named with a path")
    header = read_header(header_of(folder / name))
    if header.segments or header.fs != fs:
        raise RecordError("BAD_HEADER", "a segment has segments of its own or another rate than the record")
    try:
        return read_signals(folder, header, (frames - 0.5) / fs, verify, common_gain)
    except RecordError as error:
        if error.code == "NO_LEADS":
            return None
        raise


def _joined(header: Header, parts: list[tuple[Recording | None, int]], declared: int, count: int) -> Recording:
    read = [recording for recording, _ in parts if recording is not None]
    if not read:
        raise RecordError("NO_LEADS", "no segment has a signal with the name of a standard lead")
    rates = {recording.fs for recording in read}
    if len(rates) > 1:
        raise RecordError("BAD_HEADER", "the segments have several rates")
    frame = round(read[0].fs / header.fs)
    signal = np.full((len(LEADS), count * frame), np.nan, np.float32)
    saturated, start = 0, 0
    for recording, frames in parts:
        if recording is not None:
            part = recording.signal_mv[:, : frames * frame]
            signal[:, start * frame : start * frame + part.shape[1]] = part
            saturated |= recording.saturated_leads
        start += frames
    gains = {recording.gains for recording in read}
    notes = set(header.notes).union(*(recording.notes for recording in read)) - {"LENGTH_MISMATCH"}
    return Recording(
        signal,
        read[0].fs,
        header.comments,
        tuple(sorted(notes)),
        None if declared == count else declared * frame,
        saturated,
        gains=gains.pop() if len(gains) == 1 else None,
    )
