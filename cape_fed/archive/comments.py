"""What the comment lines of WFDB headers say about patient and diagnosis, in the spellings of public archives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cape_fed.archive.codes import CPSC, SNOMED
from cape_fed.archive.fields import parse_age, parse_patient, parse_sex, parse_truth, stated
from cape_fed.archive.labels import VOCABULARY
from cape_fed.archive.phrases import annotate_prose
from cape_fed.archive.recording import Description

_TAGGED = re.compile(r"<([^<>]{1,40})>:?([^<]*)")
"""INCART and LUDB: ``<age>: 65 <sex>: F <diagnoses> ...``, several on a line."""
_PATIENT_LINE = re.compile(r"patient\s+(\d+)", re.IGNORECASE)
"""INCART: ``patient 1`` alone on a line."""
_PATIENT_KEYS = ("patient id", "patient_id", "patientid", "subject id", "subject_id", "subject", "patient")
_PTB_REASONS = {
    "myocardial infarction": {"MI": True, "NORM": False},
    "healthy control": {"MI": False, "NORM": True},
}
"""PTB's "Reason for admission"; other reasons say nothing for or against either label."""


def describe(comments: Sequence[str]) -> Description:
    """Interpret comment lines (without ``#``); anything that is not understood is passed over."""
    fields = dict(_fields(comments))
    age, impossible = parse_age(fields.get("age"))
    notes = ("AGE_IMPLAUSIBLE",) if impossible else ()
    labels, unmapped = _diagnoses(fields.get("dx"))
    labels |= _PTB_REASONS.get(fields.get("reason for admission", "").lower(), {})
    if "rhythm" in fields:
        labels |= annotate_prose(_statements(comments))
    chagas = parse_truth(fields.get("chagas label"))
    if chagas is not None:
        labels["CHAGAS"] = chagas
    patient = next((found for key in _PATIENT_KEYS if (found := parse_patient(fields.get(key)))), None)
    return Description(patient or _patient_line(comments), age, parse_sex(fields.get("sex")), labels, unmapped, notes)


def _fields(comments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in reversed(comments):
        if "<" in line:
            yield from ((key.strip().lower(), value.strip()) for key, value in _TAGGED.findall(line))
        else:
            key, colon, value = line.partition(":")
            if colon:
                yield key.strip().lower(), value.strip()


def _diagnoses(text: str | None) -> tuple[dict[str, bool], tuple[str, ...]]:
    """Labels and unmapped statements of a ``Dx`` list: SNOMED CT codes, CPSC abbreviations or both."""
    if stated(text) is None or text is None:
        return {}, ()
    statements = [statement.strip() for statement in text.split(",") if statement.strip()]
    codes = [statement for statement in statements if statement.isdecimal()]
    names = [statement for statement in statements if not statement.isdecimal()]
    snomed, cpsc = SNOMED.annotate(codes), CPSC.annotate(names)
    unmapped = snomed.unmapped + cpsc.unmapped
    if not codes:
        return (cpsc.labels if len(cpsc.unmapped) < len(names) else {}), unmapped
    asserted = {label: True for label, value in cpsc.labels.items() if value}
    merged = snomed.labels | asserted
    return {label: merged[label] for label in VOCABULARY if label in merged}, unmapped


def _statements(comments: Sequence[str]) -> list[str]:
    """LUDB's prose: every line that is not a tagged field, the rhythm without its key."""
    lines = [line for line in comments if "<" not in line]
    return [line.partition(":")[2] if line.lower().startswith("rhythm") else line for line in lines]


def _patient_line(comments: Sequence[str]) -> str | None:
    return next((match.group(1) for line in comments if (match := _PATIENT_LINE.fullmatch(line.strip()))), None)
