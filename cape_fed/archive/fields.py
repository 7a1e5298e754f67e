"""Age, sex, patient id and truth values as archives write them, in header comments or CSV cells."""

from __future__ import annotations

import math
import re

from cape_fed.archive.base import Sex

MAX_AGE = 120.0

_ABSENT = frozenset({"", "nan", "none", "null", "na", "n/a", "unknown", "unknows", "?", "-", "-1", "<na>"})
_SEX: dict[str, Sex] = {"f": "F", "female": "F", "w": "F", "woman": "F", "m": "M", "male": "M", "man": "M"}
_TRUTH = dict.fromkeys(("1", "1.0", "true", "yes", "y", "t"), True) | dict.fromkeys(
    ("0", "0.0", "false", "no", "n", "f"), False
)
_AGE = re.compile(r"(?P<bound>[<>≤≥]?=?)\s*(?P<number>-?\d{1,9}(?:[.,]\d{0,9})?)\s*\+?\s*(?P<unit>[a-zê.\s]*)", re.I)
_PER_YEAR = (
    dict.fromkeys(("", "y", "yr", "yrs", "year", "years", "yo", "year old", "years old", "a", "ano", "anos"), 1.0)
    | dict.fromkeys(("m", "mo", "mos", "mth", "mths", "month", "months", "months old", "mes", "mês", "meses"), 12.0)
    | dict.fromkeys(("w", "wk", "wks", "week", "weeks", "weeks old", "semana", "semanas"), 365.25 / 7)
    | dict.fromkeys(("d", "day", "days", "days old", "dia", "dias"), 365.25)
)
"""Unit of an age → how many make a year; the single letters are those of DICOM."""
_WHOLE_FLOAT = re.compile(r"(-?\d+)\.0*")


def stated(text: str | None) -> str | None:
    """The text without surrounding blanks, None where it only says that nothing is known."""
    value = (text or "").strip()
    return None if value.lower() in _ABSENT else value


def parse_age(text: str | None) -> tuple[float | None, bool]:
    """Return ``(age in years or None, whether a value was there that cannot be an age)``.

    Accepts ``63``, ``63,5``, ``>89``, ``63 years``, ``063Y``, ``8 months``, ``021D``; ``<1`` is taken as half of it.
    """
    value = stated(text)
    if value is None:
        return None, False
    match = _AGE.fullmatch(value)
    age = _years(match) if match else math.nan
    return (age, False) if 0 <= age <= MAX_AGE else (None, True)


def _years(match: re.Match[str]) -> float:
    """The age that was matched, NaN where its unit is none."""
    unit = " ".join(match["unit"].replace(".", "").lower().split())
    age = float(match["number"].replace(",", ".")) / _PER_YEAR.get(unit, math.nan)
    return age / 2 if match["bound"].startswith("<") and age <= 1 else age


def parse_sex(text: str | None) -> Sex | None:
    """``F``/``M`` from any usual spelling, None for anything else."""
    return _SEX.get((text or "").strip().lower())


def parse_truth(text: str | None) -> bool | None:
    """A truth value from ``1``/``0``, ``true``/``false``, ``yes``/``no``; None for anything else."""
    return _TRUTH.get((text or "").strip().lower())


def parse_patient(text: str | None) -> str | None:
    """A patient id as a string; ``15709.0``, which a float column makes of an id, becomes ``15709``."""
    value = stated(text)
    if value is None:
        return None
    match = _WHOLE_FLOAT.fullmatch(value)
    return match.group(1) if match else value
