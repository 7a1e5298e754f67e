"""Signal files of WFDB records as samples: every signal at its own full rate, skews taken out.

Format: signal(5) and header(5) of the WFDB applications guide. A file is a row of frames; each holds one or more
samples of every signal in it. Format 16, which nearly every ECG archive uses, is read straight from the file; the
``wfdb`` library unpacks every other format.
"""

from __future__ import annotations

import math
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import RecordError
from cape_fed.archive.calibration import INVALID_16
from cape_fed.archive.headers import SignalSpec
from cape_fed.archive.matlab import check_matlab
from cape_fed.files import is_out_of_space

MAX_SAMPLES = 1 << 26
"""Samples of all signals together that one read may take: 90 minutes of 12 leads at 1 kHz."""

_BYTES_PER_SAMPLE = {"8": 1.0, "16": 2.0, "24": 3.0, "32": 4.0, "61": 2.0, "80": 1.0, "160": 2.0, "212": 1.5}
_BYTES_PER_SAMPLE |= {"310": 4 / 3, "311": 4 / 3}
_COMPRESSED = ("508", "516", "524")
_NO_FILE = "~"
"""WFDB's name for a signal that has no file."""


def signals_by_file(signals: Sequence[SignalSpec], needed: Sequence[int]) -> dict[str, list[int]]:
    """Every signal of each file that holds a needed one, in the order of the file."""
    files = {signals[index].file for index in needed} - {_NO_FILE}
    members = defaultdict(list)
    for index, spec in enumerate(signals):
        if spec.file in files:
            members[spec.file].append(index)
    return members


def frames_in(folder: Path, name: str, specs: Sequence[SignalSpec]) -> int:
    """Whole frames in a signal file that holds ``specs``; raises RecordError."""
    size, form = _size(folder, name), specs[0].format
    if form in _COMPRESSED:
        return _compressed_frames(folder / name, specs[0])
    if form not in _BYTES_PER_SAMPLE:
        raise RecordError("UNREADABLE", f"signal format {form} is not known")
    if name.lower().endswith(".mat"):
        check_matlab(folder / name, size, specs)
    return int(max(0, size - specs[0].offset) / _BYTES_PER_SAMPLE[form] / sum(spec.frame for spec in specs))


def _compressed_frames(path: Path, spec: SignalSpec) -> int:
    import soundfile  # type: ignore[import-untyped]  # comes with wfdb, and few archives need it

    try:
        return max(0, int(soundfile.info(str(path)).frames) - spec.offset) // spec.frame
    except (RuntimeError, TypeError, UnicodeError) as error:
        raise RecordError("UNREADABLE", "the compressed signal file is damaged") from error


def frames_wanted(declared: int, fs: float, seconds: float | None, frame: int) -> int:
    """Frames to read; bounded, so that a header cannot make the reader allocate what it likes."""
    count = declared if seconds is None else min(declared, math.ceil(seconds * fs))
    if count == 0:
        raise RecordError("NO_SIGNAL", "it holds no samples")
    if count * frame > MAX_SAMPLES:
        raise RecordError("TOO_LONG", f"{declared} samples are declared")
    return count


def read_format_16(folder: Path, name: str, specs: Sequence[SignalSpec], count: int) -> list[NDArray[np.int16]]:
    """ADC values of every signal of a file in format 16, ``[count * frame]`` each; what the skew hides is missing."""
    width = sum(spec.frame for spec in specs)
    deepest = count + max(spec.skew for spec in specs)
    samples = np.fromfile(folder / name, "<i2", deepest * width, offset=specs[0].offset)
    block = samples[: len(samples) // width * width].reshape(-1, width)
    if width == len(specs) and deepest == count:
        return list(np.ascontiguousarray(block.T))
    signals, column = [], 0
    for spec in specs:
        part = block[spec.skew : spec.skew + count, column : column + spec.frame].reshape(-1)
        signals.append(np.pad(part, (0, count * spec.frame - len(part)), constant_values=INVALID_16))
        column += spec.frame
    return signals


def read_packed(
    folder: Path, name: str, specs: Sequence[SignalSpec], count: int, fs: float
) -> list[NDArray[np.float64]]:
    """ADC values of every signal of a file in another format, in float64, NaN where missing; raises RecordError."""
    import wfdb  # takes as long to import as a thousand records to read, and few archives need it

    until = min(count + max(spec.skew for spec in specs), frames_in(folder, name, specs))
    try:
        with np.errstate(all="ignore"), _strict_copy(folder / name, fs, specs, until) as readable:
            record = wfdb.rdrecord(str(readable), smooth_frames=False, ignore_skew=True)
    except OSError as error:
        if is_out_of_space(error):
            raise
        raise _unreadable(error) from error
    except Exception as error:  # wfdb raises whatever its parsing runs into
        raise _unreadable(error) from error
    return [_aligned(values, spec, count) for spec, values in zip(specs, record.e_p_signal, strict=True)]


def _unreadable(error: Exception) -> RecordError:
    return RecordError("UNREADABLE", f"the WFDB library cannot read it ({type(error).__name__})")


def _aligned(values: NDArray[Any], spec: SignalSpec, count: int) -> NDArray[np.float64]:
    """Take the skew out; frames that are not in the file are missing."""
    part = np.asarray(values, np.float64)[spec.skew * spec.frame :][: count * spec.frame]
    return np.pad(part, (0, count * spec.frame - len(part)), constant_values=np.nan)


def _size(folder: Path, name: str) -> int:
    """Bytes of a signal file, which must be a plain file next to its header."""
    if Path(name).name != name:
        raise RecordError("BAD_HEADER", "a signal file is named with a path")
    try:
        status = (folder / name).stat()
    except (OSError, ValueError) as error:
        raise RecordError("MISSING_FILE", "the signal file is missing") from error
    if not stat.S_ISREG(status.st_mode):
        raise RecordError("MISSING_FILE", "the signal file is not a plain file")
    return status.st_size


@contextmanager
def _strict_copy(path: Path, fs: float, specs: Sequence[SignalSpec], count: int) -> Iterator[Path]:
    """The stem of a header in the library's own strict form for one signal file, which is linked next to it.

    The library refuses dates in other styles, ``.mat`` in the record name, blanks in file names and some skews, all
    of which archives have. None of that is needed to unpack the samples.
    """
    with TemporaryDirectory(prefix="cape-fed-") as folder:
        (Path(folder) / "r.dat").symlink_to(path.absolute())
        lines = [f"r {len(specs)} {fs!r} {count}"]
        for index, spec in enumerate(specs):
            layout = f"{spec.format}x{spec.frame}+{spec.offset}"
            lines.append(f"r.dat {layout} 1(0)/adu {spec.resolution} {spec.zero} {spec.initial} 0 0 s{index}")
        (Path(folder) / "r.hea").write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield Path(folder) / "r"
