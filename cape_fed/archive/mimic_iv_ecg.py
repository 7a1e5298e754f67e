"""MIMIC-IV-ECG: ``record_list.csv`` beside WFDB records, with the machine's reports and the patient table where there.

Layout: PhysioNet, MIMIC-IV-ECG 1.0. ``machine_measurements.csv`` holds the reports; ``patients.csv`` is the table of
MIMIC-IV's module hosp, to be put beside it. Both may be ``.gz``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cape_fed.archive.base import Entry, RawRecord, Sex
from cape_fed.archive.detect import MIMIC_TABLE, wrong_format
from cape_fed.archive.fields import parse_age, parse_patient, parse_sex
from cape_fed.archive.phrases import annotate_prose
from cape_fed.archive.recording import Description, join
from cape_fed.archive.tables import Row, find_table, read_rows
from cape_fed.archive.wfdb_record import read_recording, record_files

_REPORT = re.compile(r"report_\d+")


class _Patient(NamedTuple):
    sex: Sex | None
    age: float | None
    """In ``year``."""
    year: int | None


@dataclass(frozen=True)
class MimicIvEcg:
    """Reader of format ``mimic-iv-ecg``."""

    verify: bool = False
    name = "mimic-iv-ecg"
    explicit_labels = frozenset[str]()

    def entries(self, root: Path) -> Iterator[Entry]:
        """List the rows of the record list in its order, whether or not their files are there."""
        if not (root / MIMIC_TABLE).is_file():
            raise wrong_format(root, self.name, MIMIC_TABLE)
        reports, patients = _reports(root), _patients(root)
        for row in read_rows(root / MIMIC_TABLE, "path", "subject_id"):
            patient = parse_patient(row.get("subject_id"))
            known = patients.get(patient or "", _Patient(None, None, None))
            path = row.get("path", "").strip().removesuffix(".hea")
            described = {
                "patient": patient,
                "sex": known.sex,
                "age": _age(known, row.get("ecg_time", "")),
                "labels": reports.get(row.get("study_id", "").strip(), {}),
            }
            yield Entry(path, {"path": path} | described, record_files(path))

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one record; everything but the signal comes from the tables."""
        described = dict(entry.locator)
        recording = read_recording(root / described.pop("path"), seconds, self.verify)
        return join(entry.record, recording, Description(**described))


def _reports(root: Path) -> dict[str, dict[str, bool]]:
    """Labels by study; equal ones are one object, so that 800,000 reports fit in memory."""
    table = find_table(root, "machine_measurements.csv")
    if table is None:
        return {}
    shared: dict[tuple[tuple[str, bool], ...], dict[str, bool]] = {}
    reports = {}
    for row in read_rows(table, "study_id"):
        labels = annotate_prose(_report(row))
        reports[row["study_id"].strip()] = shared.setdefault(tuple(labels.items()), labels)
    return reports


def _report(row: Row) -> list[str]:
    return [text for column, text in row.items() if text and _REPORT.fullmatch(column)]


def _patients(root: Path) -> dict[str, _Patient]:
    """Sex and age by patient; MIMIC gives the age in one year and shifts all dates of a patient alike."""
    table = find_table(root, "patients.csv")
    if table is None:
        return {}
    return {
        row["subject_id"].strip(): _Patient(
            parse_sex(row.get("gender")), parse_age(row.get("anchor_age"))[0], _year(row.get("anchor_year", ""))
        )
        for row in read_rows(table, "subject_id")
    }


def _age(patient: _Patient, time: str) -> float | None:
    year = _year(time)
    if patient.age is None or patient.year is None or year is None:
        return patient.age
    return parse_age(str(patient.age + year - patient.year))[0]


def _year(text: str) -> int | None:
    digits = text.strip()[:4]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) == 4 else None
