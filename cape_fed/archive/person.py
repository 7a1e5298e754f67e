"""Patient, age and sex as the structured fields of hospital formats state them; what is not understood is not shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from cape_fed.archive.fields import MAX_AGE, parse_age, parse_sex, stated
from cape_fed.archive.identifiers import SEPARATORS, RoundedIdError, patient_id
from cape_fed.archive.recording import Description

_PLACEHOLDER = re.compile(r"0*|x+|(.)\1{6,}")
"""An id without its separators that carts fill in where no patient was entered."""
_REPEATED = re.compile(r"(.)\1{3,}")
"""The same where it has no separators: ``11-11`` may be somebody."""
_NOT_STATED = frozenset({"u", "o", "x", "un", "unknown", "other", "unspecified"})
"""Codes for a sex that is not known or neither of the two."""


def person(
    patient: str, age: object, sex: str, labels: Mapping[str, bool] | None = None, issuer: str = ""
) -> Description:  # fmt: skip
    """Describe a patient; ``age`` is a number of years or a text such as ``063Y``, ``issuer`` who gave the id."""
    notes = []
    try:
        key = patient_id(patient)
    except RoundedIdError:
        key = None
        notes.append("ID_ROUNDED")
    years, impossible = parse_age(None if age is None else str(age))
    if impossible:
        notes.append("AGE_IMPLAUSIBLE")
    known = parse_sex(sex)
    if known is None and stated(sex) is not None and sex.strip().lower() not in _NOT_STATED:
        notes.append("BAD_SEX")
    if key is not None and _is_placeholder(key):
        key = None
    return Description(key, years, known, labels=dict(labels or {}), notes=tuple(notes), issuer=stated(issuer))


def _is_placeholder(key: str) -> bool:
    """Whether digits or letters stand where a cart was given no id: taken as one, they would make one of many."""
    bare = SEPARATORS.sub("", key).lower()
    return bool(_PLACEHOLDER.fullmatch(bare) or _REPEATED.fullmatch(key.lower()))


def age_between(born: date | None, on: date | None) -> float | None:
    """Whole years of age on a day, None where a day is not known or the age cannot be one."""
    if born is None or on is None:
        return None
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return float(years) if 0 <= years <= MAX_AGE else None
