"""Any tree of WFDB records, with what the header comments of public archives say about patient and diagnosis."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cape_fed.archive.base import Entry, RawRecord, RecordError
from cape_fed.archive.comments import read_remarks
from cape_fed.archive.detect import wrong_format
from cape_fed.archive.headers import read_header
from cape_fed.archive.wfdb_record import read_recording

_SEGMENT = re.compile(r"(.+)_(?:\d+|layout)")
"""How the segments of a multi-segment record are named after it."""
_PATIENT_FOLDER = re.compile(r"(?:patient|subject)[_-]?(\w+)|p(\d{4,})", re.IGNORECASE)
"""PTB names a patient's folder ``patient104``, MIMIC ``p10001725``."""
_MIMIC_GROUP = re.compile(r"p\d{2}(\d{2})?", re.IGNORECASE)


@dataclass(frozen=True)
class WfdbTree:
    """Reader of format ``wfdb``: every ``.hea`` below the folder is a record, segments of other records excepted.

    ``verify`` compares checksums while reading, which the doctor does and ingest does not.
    """

    verify: bool = False
    name = "wfdb"
    explicit_labels = frozenset({"CHAGAS"})

    def entries(self, root: Path) -> Iterator[Entry]:
        """List the records below ``root``, folder by folder in the order of their names."""
        empty = True
        for path in find_records(root):
            empty = False
            yield Entry(printable(path), {"path": path})
        if empty:
            raise wrong_format(root, self.name, "WFDB headers (*.hea)")

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one record; patient, age, sex and labels come from its header comments, the patient also by folder."""
        path = entry.locator["path"]
        recording = read_recording(root / path, seconds, self.verify)
        remarks = read_remarks(recording.comments)
        return RawRecord(
            record=entry.record,
            patient=remarks.patient or patient_of_folder(path),
            age=remarks.age,
            sex=remarks.sex,
            labels=remarks.labels,
            signal_mv=recording.signal_mv,
            fs=recording.fs,
            notes=recording.notes + remarks.notes,
            declared_samples=recording.declared_samples,
            saturated_leads=recording.saturated_leads,
        )


def find_records(root: Path, below: str = "") -> Iterator[str]:
    """Paths of all records below ``root``, relative, with ``/`` and without ``.hea``; links to folders are not followed.

    Raises nothing where a folder cannot be listed within the tree: its records are not there for this user.
    """
    try:
        with os.scandir(root / below) as scan:
            items = [(item.name, item.is_dir(follow_symlinks=False), item.is_file()) for item in scan]
    except OSError:
        return
    stems = sorted(name[:-4] for name, _, is_file in items if is_file and name.endswith(".hea"))
    known = frozenset(stems)
    for stem in stems:
        if not _is_segment(root / below, stem, known):
            yield below + stem
    for name in sorted(name for name, is_dir, _ in items if is_dir and not name.startswith(".")):
        yield from find_records(root, f"{below}{name}/")


def printable(path: str) -> str:
    """A file path as a record name: bytes that are no UTF-8 are escaped, so that every table can hold it."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def patient_of_folder(path: str) -> str | None:
    """The patient id that a folder of the path states, None where none does."""
    for part in reversed(path.split("/")[:-1]):
        match = _PATIENT_FOLDER.fullmatch(part)
        if match and not _MIMIC_GROUP.fullmatch(part):
            return match.group(1) or match.group(2)
    return None


def _is_segment(folder: Path, stem: str, known: frozenset[str]) -> bool:
    match = _SEGMENT.fullmatch(stem)
    if match is None or match.group(1) not in known:
        return False
    try:
        return read_header(folder / f"{match.group(1)}.hea").segments > 0
    except RecordError:
        return False
