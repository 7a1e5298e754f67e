"""Identifiers of records, exams, studies and patients: one spelling for each, whatever type a file gives it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np

ABSENT = frozenset(
    {"", "nan", "none", "null", "na", "n/a", "unknown", "unknows", "?", "-", "-1", "<na>", "nat", "-1.0"}
    | {"#n/a", "#nv", "-nan", "n.a.", ".", "--", "\\n"}
)
"""Words that say that nothing is known, in lower case; the last ones are those of spreadsheets, SAS and SQL."""
NOBODY = frozenset(
    {"anon", "anonym", "anonymous", "anonymized", "anonymised", "deidentified", "removed", "redacted", "unk", "unknown",
     "unknownpatient", "unidentified", "noid", "nopatientid", "none", "null", "test", "testpatient", "dummy", "demo",
     "missing", "notavailable", "notknown"}
)  # fmt: skip
"""Words in place of a patient's id, without separators; a number behind one of them tells patients apart."""
SEPARATORS = re.compile(r"[\W_]+")
EXACT = 2**53
"""From here on float64 cannot tell neighbouring whole numbers apart."""

_SPREADSHEET_ERROR = re.compile(r"#[A-Z0-9/]+[!?]")
_BYTES_SHOWN = re.compile(r"""b(['"])(.*)\1""", re.DOTALL)
_WHOLE_FLOAT = re.compile(r"(-?[0-9]+)(?:\.0*|,0)")
_SCIENTIFIC = re.compile(r"-?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{1,2}")


class RoundedIdError(ValueError):
    """An identifier went through a type that cannot hold all of its digits."""


def identifier(value: object) -> str | None:
    """The one spelling of an identifier, None where it is absent.

    ``11``, ``11.0``, ``b'11'``, ``' 11 '`` and NumPy's numbers are all ``11``; ``011`` stays another. Raises
    RoundedIdError where digits were lost in a floating-point number, so that two identifiers may have become one.
    """
    if isinstance(value, float | np.floating):
        text = _from_float(value)
    elif isinstance(value, bytes):
        text = _from_text(value.decode("utf-8", "backslashreplace").rstrip("\0"))
    else:
        text = "" if value is None else _from_text(str(value))
    return None if text.lower() in ABSENT else text


def patient_id(value: object) -> str | None:
    """The one spelling of a patient's id, see ``identifier``; None also for what stands where there is none.

    That are a word such as ``ANONYMOUS``, punctuation alone and the error of a spreadsheet: taken as ids, they would
    make one patient of many.
    """
    found = identifier(value)
    bare = SEPARATORS.sub("", found or "").lower()
    is_none = not bare or bare in NOBODY or _SPREADSHEET_ERROR.fullmatch(found or "")
    return None if is_none else found


def _from_text(text: str) -> str:
    text = text.strip()
    shown = _BYTES_SHOWN.fullmatch(text)
    text = shown[2].strip() if shown else text
    if whole := _WHOLE_FLOAT.fullmatch(text):
        return _exact(whole[1], EXACT)
    return _from_scientific(text) if _SCIENTIFIC.fullmatch(text) else text


def _from_float(value: float | np.floating[Any]) -> str:
    if not np.isfinite(value):
        return ""
    limit = 2 ** (np.finfo(value.dtype).nmant + 1) if isinstance(value, np.floating) else EXACT
    number = float(value)
    return _exact(str(int(number)), limit) if number.is_integer() else repr(number)


def _exact(digits: str, limit: int) -> str:
    if len(digits) > 20 or abs(int(digits)) >= limit:
        raise RoundedIdError(f"{digits[:40]} went through a floating-point number and may have lost digits")
    return digits


def _from_scientific(text: str) -> str:
    """``1.1e+01`` is 11; ``1.23457E+07`` stands for a hundred numbers."""
    number = Decimal(text.replace(",", "."))
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        raise RoundedIdError(f"{text} has lost its last digits")
    return _exact(str(int(number)), EXACT) if number == number.to_integral_value() else text
