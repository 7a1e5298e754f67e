"""Age, sex, patient id and truth values as archives write them, in header comments or CSV cells."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeVar

from cape_fed.archive.base import Misread, Sex
from cape_fed.archive.identifiers import ABSENT, RoundedIdError, patient_id

Value = TypeVar("Value")

MAX_AGE = 120.0
OLDEST_STATED = 89.0
"""The highest age that archives under HIPAA's rules state; all above it share one code."""
AGE_OVER_89 = 90.0
"""What such a code is taken for."""

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
_FOLDS = frozenset(str(fold) for fold in range(1, 11))
_SHOWN = 40
"""Characters of a cell that are shown where it was not understood."""


def stated(text: str | None) -> str | None:
    """The text without surrounding blanks, None where it only says that nothing is known."""
    value = (text or "").strip()
    return None if value.lower() in ABSENT else value


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
    """A patient id, see ``patient_id``; None where it is absent or has lost digits."""
    try:
        return patient_id(text)
    except RoundedIdError:
        return None


class Cells:
    """The cells of one row, read one by one; those that hold something and are not understood are kept."""

    def __init__(self, cells: Mapping[str, str | None]) -> None:
        self._cells = cells
        self._misread: list[Misread] = []

    @property
    def misread(self) -> tuple[Misread, ...]:
        """What was not understood so far."""
        return tuple(self._misread)

    @property
    def notes(self) -> tuple[str, ...]:
        """The codes of what was not understood so far, each once."""
        return tuple(dict.fromkeys(found.code for found in self._misread))

    def stated(self, column: str) -> str | None:
        """The text of a cell, None where it is empty, missing or says that nothing is known."""
        return stated(self._cells.get(column))

    def complain(self, code: str, column: str) -> None:
        """Keep that a cell was not understood."""
        self._misread.append(Misread(code, shown(column, self._cells.get(column) or "")))

    def age(self, column: str) -> float | None:
        """Age in years, see ``parse_age``."""
        age, impossible = parse_age(self._cells.get(column))
        if impossible:
            self.complain("AGE_IMPLAUSIBLE", column)
        return age

    def sex(self, column: str, coding: Mapping[str, Sex] | None = None) -> Sex | None:
        """Sex by a code of the archive or in words, see ``parse_sex``."""
        text = self.stated(column)
        sex = (coding or {}).get(text or "") or parse_sex(text)
        return self._or_complain(sex, "BAD_SEX", column)

    def truth(self, column: str, code: str = "BAD_LABELS") -> bool | None:
        """A truth value, see ``parse_truth``."""
        return self._or_complain(parse_truth(self._cells.get(column)), code, column)

    def patient(self, column: str) -> str | None:
        """A patient id, see ``patient_id``."""
        try:
            return patient_id(self._cells.get(column))
        except RoundedIdError:
            self.complain("ID_ROUNDED", column)
            return None

    def fold(self, column: str) -> int | None:
        """The number of a fold from 1 to 10."""
        number = (self.stated(column) or "").removesuffix(".0")
        return self._or_complain(int(number) if number in _FOLDS else None, "BAD_FOLD", column)

    def year(self, column: str) -> int | None:
        """The year at the beginning of a date."""
        digits = (self.stated(column) or "").removesuffix(".0")[:4]
        year = int(digits) if len(digits) == 4 and digits.isascii() and digits.isdigit() else None
        return self._or_complain(year, "BAD_DATE", column)

    def _or_complain(self, value: Value | None, code: str, column: str) -> Value | None:
        if value is None and self.stated(column) is not None:
            self.complain(code, column)
        return value


def shown(column: str, text: str) -> str:
    """How a cell is shown to the site: ``sex 'weiblich'``."""
    text = " ".join(text.split())
    return f"{column} '{text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}'"
