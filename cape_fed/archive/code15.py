"""CODE-15%: ``exams.csv`` beside HDF5 parts, or beside WFDB records named by exam.

Layout: Ribeiro et al. 2021, Zenodo 4916206. The tracings are taken as mV. The authors' documentation says "at the
scale 1e-4V" and "multiplied by 1000 to obtain V", which contradict each other; as mV, QRS complexes are 1.7 times as
large as PTB-XL's in the median, so that every other power of ten is out.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from sys import intern

import h5py
import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import Entry, RawRecord, RecordError, Sex
from cape_fed.archive.codes import CODE15_COLUMNS
from cape_fed.archive.comments import describe
from cape_fed.archive.detect import CODE15_TABLE, wrong_format
from cape_fed.archive.fields import parse_age, parse_patient, parse_truth
from cape_fed.archive.recording import Description, Recording, as_millivolts, join
from cape_fed.archive.tables import Row, read_rows
from cape_fed.archive.wfdb_record import read_recording, record_files
from cape_fed.archive.wfdb_tree import find_records, printable
from cape_fed.errors import InputError
from cape_fed.signal.leads import LEADS

FS = 400.0
_PARTS = "exams_part*.hdf5"
_SEX: dict[bool | None, Sex | None] = {True: "M", False: "F", None: None}
_LABELS = {column.lower(): label for column, label in CODE15_COLUMNS.items()}
_COLUMNS = ("age", "is_male", "patient_id", *_LABELS)


@dataclass(frozen=True)
class Code15:
    """Reader of format ``code15``; where a record is in WFDB, its header fills what the table leaves open."""

    verify: bool = False
    name = "code15"
    explicit_labels = frozenset({*CODE15_COLUMNS.values(), "CHAGAS"})

    def entries(self, root: Path) -> Iterator[Entry]:
        """List the exams whose signals are there, part by part in the order of the parts."""
        if not (root / CODE15_TABLE).is_file():
            raise wrong_format(root, self.name, f"{CODE15_TABLE} and {_PARTS}")
        exams = {row["exam_id"].strip(): _cells(row) for row in read_rows(root / CODE15_TABLE, "exam_id")}
        parts = sorted(root.glob(_PARTS), key=_natural)
        empty = True
        for entry in _in_parts(parts, exams) if parts else _in_tree(root, exams):
            empty = False
            yield entry
        if empty:
            raise wrong_format(root, self.name, f"{_PARTS} or WFDB records beside {CODE15_TABLE}")

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one exam, without the zeros that pad short ones to 4096 samples in HDF5."""
        told = _describe(dict(entry.locator))
        if "part" in entry.locator:
            return join(entry.record, _tracing(root / entry.locator["part"], entry.locator["row"], seconds), told)
        recording = read_recording(root / entry.locator["path"], seconds, self.verify)
        return join(entry.record, recording, told.filled_from(describe(recording.comments)))


def _cells(row: Row) -> Row:
    """The cells that are read later; most values are the same few, which are held once."""
    return {key: intern(row[key]) for key in _COLUMNS if row.get(key)}


def _natural(path: Path) -> tuple[int, str]:
    """``exams_part2`` before ``exams_part10``."""
    number = re.search(r"(\d+)$", path.stem)
    return int(number.group(1)) if number else 0, path.name


def _in_parts(parts: list[Path], exams: dict[str, Row]) -> Iterator[Entry]:
    for part in parts:
        try:
            with h5py.File(part) as file:
                exam_ids, shape = np.asarray(file["exam_id"]), file["tracings"].shape
        except (OSError, KeyError, AttributeError) as error:
            raise InputError(f"'{part}' is no CODE-15 part or is damaged ({error}): download it again") from error
        if exam_ids.ndim != 1 or len(shape) != 3 or shape[0] != len(exam_ids) or shape[2] != len(LEADS):
            raise InputError(f"'{part}' is no CODE-15 part: tracings have shape {shape}, exam ids {exam_ids.shape}")
        for row, exam in enumerate(exam_ids.tolist()):
            if exam:  # each part ends with a row of zeros whose exam id is 0
                yield Entry(str(exam), {"part": part.name, "row": row} | exams.get(str(exam), {}), (part.name,))


def _in_tree(root: Path, exams: dict[str, Row]) -> Iterator[Entry]:
    for path in find_records(root):
        cells = exams.get(path.rpartition("/")[2], {})
        yield Entry(printable(path), {"path": path} | cells, record_files(path))


def _describe(row: Row) -> Description:
    age, impossible = parse_age(row.get("age"))
    labels = {label: value for column, label in _LABELS.items() if (value := parse_truth(row.get(column))) is not None}
    return Description(
        patient=parse_patient(row.get("patient_id")),
        age=age,
        sex=_SEX[parse_truth(row.get("is_male"))],
        labels=labels,
        notes=("AGE_IMPLAUSIBLE",) if impossible else (),
    )


def _tracing(part: Path, row: int, seconds: float | None) -> Recording:
    try:
        samples = as_millivolts(_tracings(part, os.getpid())[row])
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise RecordError("UNREADABLE", f"the HDF5 part is damaged ({type(error).__name__})") from error
    signal, padded = strip_zeros(samples.T)
    signal = np.ascontiguousarray(signal[:, : None if seconds is None else math.ceil(seconds * FS)])
    return Recording(signal, FS, notes=("ZERO_PADDED",) if padded else ())


@lru_cache(maxsize=4)
def _tracings(part: Path, pid: int) -> h5py.Dataset:
    """An open part; HDF5 files must not be shared with a forked process, hence its id in the key."""
    return h5py.File(part)["tracings"]


def strip_zeros(signal: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """Cut samples off both ends of ``[12, n]`` where all leads are 0; a recording of nothing but zeros stays whole."""
    there = np.flatnonzero(signal.any(axis=0))
    if there.size == 0:
        return signal, False
    first, last = int(there[0]), int(there[-1]) + 1
    return signal[:, first:last], last - first < signal.shape[1]
