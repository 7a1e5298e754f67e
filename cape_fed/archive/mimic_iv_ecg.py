"""MIMIC-IV-ECG: ``record_list.csv`` next to WFDB records, with machine reports and the patient table where given.

Layout: PhysioNet, MIMIC-IV-ECG 1.0. ``machine_measurements.csv`` holds the reports; ``patients.csv`` is the table of
MIMIC-IV's module hosp, to be put next to it. Both may be ``.gz``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from cape_fed.archive.base import Entry, Notice, RawRecord, RecordError
from cape_fed.archive.detect import MIMIC_TABLE, wrong_format
from cape_fed.archive.fields import AGE_OVER_89, MAX_AGE, OLDEST_STATED, Cells, parse_patient
from cape_fed.archive.joins import Coverage, Unique, key_of
from cape_fed.archive.paths import on_disk
from cape_fed.archive.phrases import annotate_prose
from cape_fed.archive.recording import Description, join
from cape_fed.archive.rows import BadRow, Row
from cape_fed.archive.tables import find_table, read_rows, used_rows
from cape_fed.archive.wfdb_record import read_recording, record_files

REPORTS = "machine_measurements.csv"
PATIENTS = "patients.csv"
_REPORT = re.compile(r"report_\d+")


class _Patient(NamedTuple):
    """What the table says about a patient: the anchor age is that in the anchor year, or 91 for any age over 89."""

    gender: str
    anchor_age: str
    anchor_year: str


_NOBODY = _Patient("", "", "")


@dataclass(frozen=True)
class MimicIvEcg:
    """Reader of format ``mimic-iv-ecg``."""

    verify: bool = False
    common_gain: float | None = None
    name = "mimic-iv-ecg"
    explicit_labels = frozenset[str]()

    def entries(self, root: Path) -> Iterator[Entry | Notice]:
        """List the rows of the record list in its order, whether or not their files are there."""
        if not (root / MIMIC_TABLE).is_file():
            raise wrong_format(root, self.name, MIMIC_TABLE)
        notices: list[Notice] = []
        reports = _reports(root, notices)
        patients = _patients(root, notices)
        yield from notices
        listing = _Listing(root, reports, patients)
        for row in read_rows(root / MIMIC_TABLE, "path", "subject_id"):
            if isinstance(row, Row):
                yield from listing.add(row)
            else:
                yield row.entry() if isinstance(row, BadRow) else row
        yield from listing.close()

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one record; everything but the signal comes from the tables."""
        entry.require()
        found = dict(entry.locator)
        if not found["path"]:
            raise RecordError("MISSING_FILE", "its row has no path")
        recording = read_recording(root / found["path"], seconds, self.verify, self.common_gain)
        return join(entry.record, recording, _describe(found))


class _Listing:
    """Rows of the record list joined with the other two tables."""

    def __init__(
        self, root: Path, reports: dict[str, dict[str, bool]] | None, patients: dict[str, _Patient] | None
    ) -> None:
        self._root = root
        self._reports, self._patients = reports or {}, patients or {}
        self._studies = None if reports is None else Coverage(REPORTS, "study_id", list(self._reports))
        self._subjects = None if patients is None else Coverage(PATIENTS, "subject_id", list(self._patients))
        self._by_path = Unique(MIMIC_TABLE, "path", ("subject_id", "study_id", "ecg_time"))
        self._by_study = Unique(MIMIC_TABLE, "study_id", ("subject_id", "path", "ecg_time"))

    def add(self, row: Row) -> Iterator[Entry | Notice]:
        notices: list[Notice] = []
        subject = parse_patient(row.cells["subject_id"])
        study = key_of(MIMIC_TABLE, row, "study_id", notices) if "study_id" in row.cells else None
        name = row.cells["path"].removesuffix(".hea")
        if name:
            self._by_path.is_new(name, row)
        if study:
            self._by_study.is_new(study, row)
        yield from notices
        if self._studies:
            yield from self._studies.count(study, study in self._reports)
        if self._subjects:
            yield from self._subjects.count(subject, subject in self._patients)
        path = on_disk(self._root, name)
        known = self._patients.get(subject or "", _NOBODY)._asdict()
        unnamed = (self._studies and study not in self._reports) or (self._subjects and subject not in self._patients)
        known["unnamed"] = "yes" if unnamed else ""
        told = {"subject_id": row.cells["subject_id"], "ecg_time": row.cells.get("ecg_time", "")} | known
        labels = self._reports.get(study or "", {})
        yield Entry(name or f"row {row.line}", {"path": path, "labels": labels} | told, record_files(self._root, path))

    def close(self) -> Iterator[Notice]:
        for coverage in (self._studies, self._subjects):
            if coverage is not None:
                yield from coverage.notices()


def _reports(root: Path, notices: list[Notice]) -> dict[str, dict[str, bool]] | None:
    """Labels by study, None without the table; equal ones are one object, so that 800,000 reports fit in memory."""
    table = find_table(root, REPORTS)
    if table is None:
        return None
    shared: dict[tuple[tuple[str, bool], ...], dict[str, bool]] = {}
    reports: dict[str, dict[str, bool]] = {}
    unique: Unique | None = None
    for row in used_rows(table, notices, "study_id"):
        unique = unique or Unique(table.name, "study_id", [name for name in row.cells if _REPORT.fullmatch(name)])
        study = key_of(table.name, row, "study_id", notices)
        if study is not None and unique.is_new(study, row):
            labels = annotate_prose(_report(row.cells))
            reports[study] = shared.setdefault(tuple(labels.items()), labels)
    return reports


def _report(cells: dict[str, str]) -> list[str]:
    return [text for column, text in cells.items() if text and _REPORT.fullmatch(column)]


def _patients(root: Path, notices: list[Notice]) -> dict[str, _Patient] | None:
    """Sex and age by patient, None without the table."""
    table = find_table(root, PATIENTS)
    if table is None:
        return None
    unique = Unique(table.name, "subject_id", _Patient._fields)
    patients = {}
    for row in used_rows(table, notices, "subject_id"):
        subject = key_of(table.name, row, "subject_id", notices)
        if subject is not None and unique.is_new(subject, row):
            patients[subject] = _Patient(*(intern(row.cells.get(column, "")) for column in _Patient._fields))
    return patients


def _describe(found: dict[str, Any]) -> Description:
    cells = Cells(found)
    return Description(
        patient=cells.patient("subject_id"),
        age=_age(cells),
        sex=cells.sex("gender"),
        labels=found["labels"],
        notes=(*cells.notes, *(("NOT_IN_TABLE",) if found["unnamed"] else ())),
        misread=cells.misread,
    )


def _age(cells: Cells) -> float | None:
    """Age when the ECG was recorded: MIMIC shifts all dates of a patient, and the anchor year, by one span."""
    age, anchor, year = cells.age("anchor_age"), cells.year("anchor_year"), cells.year("ecg_time")
    if age is not None and age > OLDEST_STATED:
        return AGE_OVER_89
    if age is None or anchor is None or year is None:
        return None
    then = age + year - anchor
    if not 0 <= then <= MAX_AGE:
        cells.complain("AGE_IMPLAUSIBLE", "ecg_time")
        return None
    return then
