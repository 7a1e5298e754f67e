"""CODE-15%: ``exams.csv`` next to HDF5 parts, or next to WFDB records named by exam.

Layout: Ribeiro et al. 2021, Zenodo 4916206. The tracings are taken as mV. The authors' documentation says "at the
scale 1e-4V" and "multiplied by 1000 to obtain V", which contradict each other; as mV, QRS complexes are 1.7 times as
large as PTB-XL's in the median, so that every other power of ten is out.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import Entry, Notice, RawRecord, RecordError, Sex
from cape_fed.archive.codes import CODE15_COLUMNS
from cape_fed.archive.comments import describe
from cape_fed.archive.detect import CODE15_TABLE, wrong_format
from cape_fed.archive.fields import Cells, parse_patient
from cape_fed.archive.identifiers import RoundedIdError, identifier
from cape_fed.archive.joins import Coverage, Unique, key_of
from cape_fed.archive.paths import printable
from cape_fed.archive.recording import Description, Recording, as_millivolts, join
from cape_fed.archive.tables import used_rows
from cape_fed.archive.wfdb_record import read_recording, record_files
from cape_fed.archive.wfdb_tree import find_records
from cape_fed.errors import InputError
from cape_fed.signal.leads import LEADS

FS = 400.0
_NOT_NAMED = {"unnamed": "yes"}
_NO_EXAM = (0, b"0", b"", "0", "")
_MOST_EXAMS = 100_000_000
_MOST_SAMPLES = 5_000_000
"""Exams of a part and samples of an exam beyond which a file does not hold what it declares."""
_PARTS = "exams_part*.hdf5"
_SEX: dict[bool | None, Sex | None] = {True: "M", False: "F", None: None}
_LABELS = {column.lower(): label for column, label in CODE15_COLUMNS.items()}
_COLUMNS = ("age", "is_male", "patient_id", *_LABELS)


@dataclass(frozen=True)
class Code15:
    """Reader of format ``code15``; where a record is in WFDB, its header fills what the table leaves open."""

    verify: bool = False
    common_gain: float | None = None
    name = "code15"
    explicit_labels = frozenset({*CODE15_COLUMNS.values(), "CHAGAS"})

    def entries(self, root: Path) -> Iterator[Entry | Notice]:
        """List the exams whose signals are there, part by part in the order of the parts."""
        if not (root / CODE15_TABLE).is_file():
            raise wrong_format(root, self.name, f"{CODE15_TABLE} and {_PARTS}")
        notices: list[Notice] = []
        exams = _exams(root / CODE15_TABLE, notices)
        yield from notices
        parts = sorted(root.glob(_PARTS), key=_natural)
        if parts and self.common_gain is not None:
            raise InputError(f"'{root}' holds HDF5 parts, which have no gain to replace: leave --common-gain out")
        empty = True
        coverage = Coverage(CODE15_TABLE, "exam_id", list(exams))
        for found in _in_parts(parts, exams, coverage) if parts else _in_tree(root, exams, coverage):
            empty = empty and not isinstance(found, Entry)
            yield found
        if empty:
            raise wrong_format(root, self.name, f"{_PARTS} or WFDB records next to {CODE15_TABLE}")
        yield from coverage.notices()

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one exam, without the zeros that pad short ones to 4096 samples in HDF5."""
        entry.require()
        told = _describe(entry.locator)
        if "part" in entry.locator:
            return join(entry.record, _tracing(root / entry.locator["part"], entry.locator["row"], seconds), told)
        recording = read_recording(root / entry.locator["path"], seconds, self.verify, self.common_gain)
        return join(entry.record, recording, told.filled_from(describe(recording.comments)))


def _exams(table: Path, notices: list[Notice]) -> dict[str, dict[str, str]]:
    """The cells that are read later, by exam; the few values that repeat are held once."""
    exams: dict[str, dict[str, str]] = {}
    unique = Unique(table.name, "exam_id", _COLUMNS)
    for row in used_rows(table, notices, "exam_id"):
        exam = key_of(table.name, row, "exam_id", notices)
        if exam is not None and unique.is_new(exam, row):
            exams[exam] = {key: intern(row.cells[key]) for key in _COLUMNS if row.cells.get(key)}
    return exams


def _natural(path: Path) -> tuple[int, str]:
    """``exams_part2`` before ``exams_part10``."""
    number = re.search(r"(\d+)$", path.stem)
    return int(number.group(1)) if number else 0, path.name


def _in_parts(parts: list[Path], exams: dict[str, dict[str, str]], coverage: Coverage) -> Iterator[Entry | Notice]:
    for part in parts:
        exam_ids = _exam_ids(part)
        for row, value in enumerate(exam_ids):
            place, exam = f"{part.name}, row {row}", None
            try:
                exam = identifier(value)
                if exam is None:
                    yield Notice("ID_MISSING", (place,))
            except RoundedIdError:
                yield Notice("ID_ROUNDED", (f"{place}: exam_id {value}",))
            yield from coverage.count(exam, exam in exams)
            told = exams.get(exam or "", _NOT_NAMED)
            yield Entry(exam or place, {"part": part.name, "row": row, **told}, (part.name,))


def _exam_ids(part: Path) -> list[Any]:
    """The exam ids of a part in whatever type it has them; raises InputError where it is no part."""
    try:
        with h5py.File(part) as file:
            ids, tracings = file["exam_id"].shape, file["tracings"].shape
            is_part = len(tracings) == 3 and tracings[2] == len(LEADS) and tracings[0] <= _MOST_EXAMS
            if not is_part or ids not in (tracings[:1], (tracings[0], 1)):
                raise InputError(f"'{part}' is no CODE-15 part: tracings have shape {tracings}, exam ids {ids}")
            exam_ids = np.asarray(file["exam_id"]).reshape(-1)
    except (OSError, KeyError, AttributeError, ValueError, TypeError) as error:
        raise InputError(f"'{part}' is no CODE-15 part or is damaged ({error}): download it again") from error
    if exam_ids.dtype.kind not in "iufSUO":
        raise InputError(f"'{part}' has exam ids of type {exam_ids.dtype}, which are no identifiers: export them again")
    listed = list(exam_ids)
    while listed and listed[-1] in _NO_EXAM:  # each part ends with a row of zeros whose exam id is 0
        listed.pop()
    return listed


def _in_tree(root: Path, exams: dict[str, dict[str, str]], coverage: Coverage) -> Iterator[Entry | Notice]:
    notices: list[Notice] = []
    for found in find_records(root, notices):
        exam = parse_patient(found.rpartition("/")[2])
        yield from coverage.count(exam, exam in exams)
        yield Entry(printable(found), {"path": found, **exams.get(exam or "", _NOT_NAMED)}, record_files(root, found))
    yield from notices


def _describe(row: Mapping[str, Any]) -> Description:
    cells = Cells(row)
    labels = {label: value for column, label in _LABELS.items() if (value := cells.truth(column)) is not None}
    return Description(
        patient=cells.patient("patient_id"),
        age=cells.age("age"),
        sex=_SEX[cells.truth("is_male", "BAD_SEX")],
        labels=labels,
        notes=(*cells.notes, *(("NOT_IN_TABLE",) if row.get("unnamed") else ())),
        misread=cells.misread,
    )


def _tracing(part: Path, row: int, seconds: float | None) -> Recording:
    try:
        tracings = _tracings(part, os.getpid())
        if tracings.shape[1] > _MOST_SAMPLES:
            raise RecordError("TOO_LONG", f"{tracings.shape[1]} samples are declared")
        samples = as_millivolts(tracings[row])
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise RecordError("UNREADABLE", f"the HDF5 part is damaged ({type(error).__name__})") from error
    signal, first, padded = strip_zeros(samples.T)
    signal = np.ascontiguousarray(signal[:, : None if seconds is None else math.ceil(seconds * FS)])
    return Recording(signal, FS, notes=("ZERO_PADDED",) if padded else (), begins=first / FS)


@lru_cache(maxsize=4)
def _tracings(part: Path, pid: int) -> h5py.Dataset:
    """An open part; HDF5 files must not be shared with a forked process, hence its id in the key."""
    return h5py.File(part)["tracings"]


def strip_zeros(signal: NDArray[np.float32]) -> tuple[NDArray[np.float32], int, bool]:
    """Cut samples off both ends of ``[12, n]`` where all leads are 0; a recording of nothing but zeros stays whole.

    Returns what is left, the samples cut off before it, and whether any were cut off.
    """
    there = np.flatnonzero(signal.any(axis=0))
    if there.size == 0:
        return signal, 0, False
    first, last = int(there[0]), int(there[-1]) + 1
    return signal[:, first:last], first, last - first < signal.shape[1]
