"""Any tree of WFDB records, with what the header comments of public archives say about patient and diagnosis."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from cape_fed.archive.base import Entry, Notice, RawRecord, RecordError
from cape_fed.archive.comments import describe
from cape_fed.archive.detect import wrong_format
from cape_fed.archive.headers import header_of, read_header
from cape_fed.archive.paths import printable
from cape_fed.archive.recording import Description, join
from cape_fed.archive.walk import walk
from cape_fed.archive.wfdb_record import read_recording, record_files

_SEGMENT = re.compile(r"(.+)_(?:\d+|layout)")
"""How the segments of a multi-segment record are usually named after it, also those that it does not list."""
_PATIENT_FOLDER = re.compile(r"(?:patient|subject)[_-]?(\d\w*)|p(\d{4,})", re.IGNORECASE)
"""PTB names a patient's folder ``patient104``, MIMIC ``p10001725``."""
_MIMIC_GROUP = re.compile(r"p\d{2}(\d{2})?", re.IGNORECASE)


@dataclass(frozen=True)
class WfdbTree:
    """Reader of format ``wfdb``: every ``.hea`` or ``.HEA`` below the folder is a record, segments of others excepted.

    ``verify`` compares checksums while reading, which the doctor does and ingest does not.
    """

    verify: bool = False
    common_gain: float | None = None
    name = "wfdb"
    explicit_labels = frozenset({"CHAGAS"})

    def entries(self, root: Path) -> Iterator[Entry | Notice]:
        """List the records below ``root``, folder by folder in the order of their names."""
        notices: list[Notice] = []
        empty = True
        for path in find_records(root, notices) if root.is_dir() else ():
            empty = False
            yield Entry(printable(path), {"path": path}, record_files(root, path))
        if empty:
            raise wrong_format(root, self.name, "WFDB headers (*.hea)")
        yield from notices

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one record; patient, age, sex and labels come from its header comments, the patient also by folder."""
        entry.require()
        path = entry.locator["path"]
        recording = read_recording(root / path, seconds, self.verify, self.common_gain)
        folder = Description(patient=patient_of_folder(path))
        return join(entry.record, recording, describe(recording.comments).filled_from(folder))


def find_records(root: Path, notices: list[Notice] | None = None) -> Iterator[str]:
    """Paths of all records below ``root``, relative, with ``/`` and without ``.hea``.

    Folders and files whose name begins with a dot, such as those that macOS lays beside others, are passed over; what
    else was not looked into is added to ``notices``. Raises InputError where a folder cannot be listed.
    """
    for found in walk(root):
        if isinstance(found, Notice):
            if notices is not None:
                notices.append(found)
            continue
        below, files = found
        yield from ((below / stem).as_posix() for stem in _records(root / below, files))


def patient_of_folder(path: str) -> str | None:
    """The patient id that a folder of the path states, None where none does."""
    for part in reversed(path.split("/")[:-1]):
        match = _PATIENT_FOLDER.fullmatch(part)
        if match and not _MIMIC_GROUP.fullmatch(part):
            return match.group(1) or match.group(2)
    return None


def _records(folder: Path, files: list[str]) -> list[str]:
    """Stems of the headers of a folder that are no segments of others, in their order."""
    headers = (name for name in files if name.endswith((".hea", ".HEA")) and not name.startswith("."))
    stems = sorted({name[: -len(".hea")] for name in headers})
    # a record of segments has no signal file of its own name: of all others the header is not read here
    with_signals = {name.rpartition(".")[0] for name in files if name.lower().endswith((".dat", ".mat"))}
    segments_of = {stem: found for stem in stems if stem not in with_signals and (found := _segments(folder, stem))}
    named = {segment for segments in segments_of.values() for segment in segments} - segments_of.keys()
    return [stem for stem in stems if stem not in named and not _is_named_as_segment(stem, segments_of)]


def _segments(folder: Path, stem: str) -> frozenset[str]:
    try:
        return frozenset(name for name, _ in read_header(header_of(folder / stem)).segment_list)
    except RecordError:
        return frozenset()


def _is_named_as_segment(stem: str, records: Container[str]) -> bool:
    match = _SEGMENT.fullmatch(stem)
    return match is not None and match.group(1) in records
