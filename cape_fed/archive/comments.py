"""What the comment lines of WFDB headers say about patient and diagnosis, in the spellings of public archives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cape_fed.archive.codes import CPSC, RHYTHM, SNOMED
from cape_fed.archive.fields import Cells, parse_patient, stated
from cape_fed.archive.phrases import annotate_prose, meaning_of
from cape_fed.archive.recording import Description
from cape_fed.vocabulary import VOCABULARY

_TAGGED = re.compile(r"<([^\W\d][^<>]{0,39})>:?((?:[^<]|<(?=\s*\d))*)")
"""INCART and LUDB: ``<age>: 65 <sex>: F <diagnoses> ...``, several on a line."""
_PATIENT_LINE = re.compile(r"patient\s+(\d+)", re.IGNORECASE)
"""INCART: ``patient 1`` alone on a line."""
_PROSE_TAG = re.compile(r"<diagnoses>:?\s*", re.IGNORECASE)
"""LUDB: alone on a line, above prose that goes on to the end of the header."""
_ID_KEYS = ("patient id", "patient_id", "patientid", "subject id", "subject_id")
_BARE_KEYS = ("subject", "patient")
_PLAIN_ID = re.compile(r"(?=.*\d)[\w.-]{1,64}")
"""What stands for an id where the key alone does not say that one follows."""
_SNOMED_CODE = re.compile(r"([0-9]{6,18})(?:\.0*)?")
"""Also as a number with decimals, as which tables give it: left unread, its label would be taken for absent."""
_PTB_REASONS = {
    "myocardial infarction": {"MI": True, "NORM": False},
    "healthy control": {"MI": False, "NORM": True},
}
"""PTB's "Reason for admission"; other reasons say nothing for or against either label."""


def describe(comments: Sequence[str]) -> Description:
    """Interpret comment lines (without ``#``); anything that is not understood is passed over."""
    listed = list(_fields(comments))
    fields = dict(listed)
    cells = Cells(fields)
    age, sex, chagas = cells.age("age"), cells.sex("sex"), cells.truth("chagas label")
    patient, free_text = _patient(fields, comments)
    notes = cells.notes + ("BAD_PATIENT",) * free_text
    # of all else the first line counts, but a diagnosis on a further line would be taken for absent
    coded, unmapped = _diagnoses(",".join(value for key, value in reversed(listed) if key == "dx" and stated(value)))
    labels = _rhythm(fields.get("rhythm", "")) | _prose(comments) | coded
    labels |= _PTB_REASONS.get(fields.get("reason for admission", "").lower(), {})
    if chagas is not None:
        labels["CHAGAS"] = chagas
    return Description(patient, age, sex, labels, unmapped=unmapped, notes=notes, misread=cells.misread)


def _fields(comments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in reversed(comments):
        tagged = _TAGGED.findall(line)
        if tagged:
            yield from ((key.strip().lower(), value.strip()) for key, value in tagged)
        else:
            key, colon, value = line.partition(":")
            if colon:
                yield key.strip().lower(), value.strip()


def _diagnoses(text: str) -> tuple[dict[str, bool], tuple[str, ...]]:
    """Labels and unmapped statements of a ``Dx`` list: SNOMED CT codes, CPSC abbreviations or both.

    A list that holds neither is of a scheme that is not known, so that nothing follows from what is not on it.
    """
    if stated(text) is None:
        return {}, ()
    statements = [statement.strip() for statement in text.split(",") if statement.strip()]
    codes = [found[1] for statement in statements if (found := _SNOMED_CODE.fullmatch(statement))]
    names = [statement for statement in statements if not _SNOMED_CODE.fullmatch(statement)]
    snomed, cpsc = SNOMED.annotate(codes), CPSC.annotate(names)
    unmapped = snomed.unmapped + cpsc.unmapped
    if not codes:
        return (cpsc.labels if len(cpsc.unmapped) < len(names) else {}), unmapped
    asserted = {label: True for label, value in cpsc.labels.items() if value}
    merged = snomed.labels | asserted
    return {label: merged[label] for label in VOCABULARY if label in merged}, unmapped


def _rhythm(text: str) -> dict[str, bool]:
    """Labels of a rhythm's abbreviation."""
    statement = text.strip().rstrip(".").upper()
    return RHYTHM.annotate([statement]).labels if statement in RHYTHM.meanings else {}


def _prose(comments: Sequence[str]) -> dict[str, bool]:
    """Labels of LUDB's prose, the rhythm without its key; empty where no line is understood."""
    start = next((index for index, line in enumerate(comments, 1) if _PROSE_TAG.fullmatch(line.strip())), len(comments))
    lines = [line.partition(":")[2] if line.lower().startswith("rhythm") else line for line in comments[start:]]
    return annotate_prose(lines) if any(map(meaning_of, lines)) else {}


def _patient(fields: Mapping[str, str], comments: Sequence[str]) -> tuple[str | None, bool]:
    """The patient's id, and whether there is free text in its place."""
    stated = next((found for key in _ID_KEYS if (found := parse_patient(fields.get(key)))), None)
    bare = [found for key in _BARE_KEYS if (found := parse_patient(fields.get(key)))]
    lines = (match.group(1) for line in comments if (match := _PATIENT_LINE.fullmatch(line.strip())))
    patient = stated or next(filter(_PLAIN_ID.fullmatch, bare), None) or next(lines, None)
    return patient, patient is None and bool(bare)
