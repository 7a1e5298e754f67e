"""Own data: a CSV that names the recordings and says what is known about them.

Headings, in any case and order: ``path`` (WFDB record with or without ``.hea``, or ``.npy``), ``patient_id``, ``age``
in years, ``sex``, ``fs`` in Hz (for ``.npy``) and any label of the vocabulary. Paths are relative to the CSV. Label
cells hold 1/0 or true/false; an empty cell is not annotated. A ``.npy`` file holds ``[12, n]`` or ``[n, 12]`` in mV,
leads I II III aVR aVL aVF V1–V6.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cape_fed.archive.base import Entry, Notice, RawRecord, RecordError
from cape_fed.archive.detect import MANIFEST, wrong_format
from cape_fed.archive.fields import Cells
from cape_fed.archive.frames import MAX_SAMPLES
from cape_fed.archive.headers import is_plain_file
from cape_fed.archive.joins import Unique
from cape_fed.archive.paths import on_disk
from cape_fed.archive.recording import Description, Recording, as_millivolts, join
from cape_fed.archive.rows import BadRow, Row
from cape_fed.archive.tables import read_rows
from cape_fed.archive.wfdb_record import read_recording, record_files, without_suffix
from cape_fed.signal.leads import LEADS
from cape_fed.signal.resample import FS_RANGE
from cape_fed.vocabulary import VOCABULARY

FIELDS = ("path", "patient_id", "age", "sex", "fs")
_LABELS = {label.lower(): label for label in VOCABULARY}


@dataclass(frozen=True)
class Manifest:
    """Reader of format ``manifest``; the archive is the CSV itself or a folder that holds ``manifest.csv``."""

    verify: bool = False
    common_gain: float | None = None
    name = "manifest"
    explicit_labels = frozenset(VOCABULARY)

    def entries(self, root: Path) -> Iterator[Entry | Notice]:
        """List the rows of the CSV in its order."""
        table = root / MANIFEST if root.is_dir() else root
        if not table.is_file():
            raise wrong_format(root, self.name, f"{MANIFEST} or a CSV file with a column 'path'")
        unique = Unique(table.name, "path", (*FIELDS[1:], *_LABELS))
        for row in read_rows(table, "path"):
            if isinstance(row, Row):
                yield _entry(table, row, unique)
            else:
                yield row.entry() if isinstance(row, BadRow) else row

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one record; everything but the signal comes from the CSV, header comments are not used."""
        entry.require()
        row = dict(entry.locator)
        name = row.get("path", "")
        if not name:
            raise RecordError("MISSING_FILE", "its row has no path")
        folder = root if root.is_dir() else root.parent
        if _is_array(name):
            recording = _read_array(folder / name, row.get("fs"), seconds)
        else:
            recording = read_recording(folder / without_suffix(name), seconds, self.verify, self.common_gain)
        return join(entry.record, recording, _describe(row))


def _entry(table: Path, row: Row, unique: Unique) -> Entry:
    name = row.cells["path"]
    if not name:
        return Entry(f"row {row.line}", {}, ())
    unique.is_new(without_suffix(name.replace("\\", "/")), row)
    path = on_disk(table.parent, name)
    files = (path,) if _is_array(path) else record_files(table.parent, without_suffix(path))
    return Entry(name, {key: cell for key, cell in row.cells.items() if cell} | {"path": path}, files)


def _is_array(name: str) -> bool:
    return name.lower().endswith(".npy")


def _describe(row: dict[str, str]) -> Description:
    cells = Cells(row)
    labels = {label: value for column, label in _LABELS.items() if (value := cells.truth(column)) is not None}
    unknown = tuple(column for column in row if column not in FIELDS and column not in _LABELS)
    return Description(
        patient=cells.patient("patient_id"),
        age=cells.age("age"),
        sex=cells.sex("sex"),
        labels=labels,
        unmapped=tuple(f"column {column}" for column in unknown),
        notes=(*cells.notes, *(("UNKNOWN_COLUMN",) if unknown else ())),
        misread=cells.misread,
    )


def _read_array(path: Path, rate: str | None, seconds: float | None) -> Recording:
    fs = _rate(rate)
    if not is_plain_file(path):
        raise RecordError("MISSING_FILE", "the array file is missing or no plain file")
    try:
        stored: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises whatever its evaluation runs into
        raise RecordError("UNREADABLE", f"not a readable .npy file ({type(error).__name__})") from error
    if not isinstance(stored, np.ndarray):
        raise RecordError("UNREADABLE", "not a .npy file, which holds one array")
    if stored.dtype.kind not in "fiu" or stored.ndim != 2 or len(LEADS) not in stored.shape:
        raise RecordError("NO_LEADS", f"an array {list(stored.shape)} of {stored.dtype} is not [12, n] in mV")
    signal = stored if stored.shape[0] == len(LEADS) else stored.T
    whole = signal.shape[1]
    count = whole if seconds is None else min(whole, math.ceil(seconds * fs))
    if count > MAX_SAMPLES // len(LEADS):
        raise RecordError("TOO_LONG", f"it holds {whole} samples")
    return Recording(as_millivolts(signal[:, :count]), fs, declared_samples=None if count == whole else whole)


def _rate(text: str | None) -> float:
    try:
        fs = float((text or "nan").replace(",", "."))
    except ValueError:
        fs = math.nan
    if not FS_RANGE[0] <= fs <= FS_RANGE[1]:
        raise RecordError("BAD_RATE", "a .npy file needs its sampling rate in Hz in the column fs")
    return fs
