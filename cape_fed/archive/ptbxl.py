"""PTB-XL: ``ptbxl_database.csv`` beside WFDB records in 100 or 500 Hz.

Layout and codes: Wagner et al. 2020, Scientific Data 7:154. Columns may be fewer, more or in another order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cape_fed.archive.base import Entry, RawRecord, RecordError, Sex
from cape_fed.archive.codes import SCP
from cape_fed.archive.detect import PTBXL_TABLE, wrong_format
from cape_fed.archive.fields import parse_age, parse_patient
from cape_fed.archive.headers import is_plain_file
from cape_fed.archive.labels import Meaning, combine
from cape_fed.archive.recording import Description, join
from cape_fed.archive.tables import Row, read_rows
from cape_fed.archive.wfdb_record import read_recording, record_files
from cape_fed.errors import InputError

LIKELY = 50.0
"""From this likelihood in per cent on a statement counts as made; 0 stands for "not given" and counts as made."""
_OVER_89 = "300"
_AGE_OVER_89 = 90.0
_SEX: dict[str, Sex] = {"0": "M", "0.0": "M", "1": "F", "1.0": "F"}
_COLUMNS = ("patient_id", "age", "sex", "scp_codes", "strat_fold")
_FOLDS = frozenset(str(fold) for fold in range(1, 11))
_MAX_CODES = 10_000
"""Characters of a cell; real ones have some tens."""


@dataclass(frozen=True)
class PtbXl:
    """Reader of format ``ptbxl``; takes the 500 Hz file of a record where it is there, else the one in 100 Hz."""

    verify: bool = False
    name = "ptbxl"
    explicit_labels = frozenset[str]()

    def entries(self, root: Path) -> Iterator[Entry]:
        """List the rows of the table in its order, whether or not their files are there."""
        table = root / PTBXL_TABLE
        if not table.is_file():
            raise wrong_format(root, self.name, PTBXL_TABLE)
        for row in read_rows(table):
            if "filename_hr" not in row and "filename_lr" not in row:
                raise InputError(f"'{table}' has neither of the columns filename_hr, filename_lr")
            path = _path(root, row)
            cells = {key: row.get(key) for key in _COLUMNS}
            yield Entry(path or f"ecg {row.get('ecg_id')}", {"path": path} | cells, record_files(path))

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one record; everything but the signal comes from the table."""
        path = entry.locator["path"]
        if not path:
            raise RecordError("MISSING_FILE", "the table names no file for it")
        return join(entry.record, read_recording(root / path, seconds, self.verify), _describe(dict(entry.locator)))


def _path(root: Path, row: Row) -> str:
    """The record's path without suffix, in 500 Hz where that file is there."""
    high, low = (row.get(key, "").strip().removesuffix(".hea") for key in ("filename_hr", "filename_lr"))
    return high if high and (not low or is_plain_file(root / f"{high}.hea")) else low


def _describe(row: Row) -> Description:
    text = (row.get("age") or "").strip().removesuffix(".0")
    age, impossible = (_AGE_OVER_89, False) if text == _OVER_89 else parse_age(text)
    notes = ("AGE_IMPLAUSIBLE",) if impossible else ()
    codes = _codes(row.get("scp_codes") or "")
    if codes is None:
        codes, notes = {}, (*notes, "BAD_LABELS")
    return Description(
        patient=parse_patient(row.get("patient_id")),
        age=age,
        sex=_SEX.get((row.get("sex") or "").strip()),
        labels=combine(SCP.labels, (_meaning(*item) for item in codes.items())) if codes else {},
        fold=_fold(row.get("strat_fold") or ""),
        unmapped=tuple(code for code in codes if code not in SCP.meanings),
        notes=notes,
    )


def _fold(text: str) -> int | None:
    """The fold, None for anything that is not the number of one."""
    number = text.strip().removesuffix(".0")
    return int(number) if number in _FOLDS else None


def _codes(text: str) -> dict[str, float] | None:
    """``{'NORM': 100.0, 'SR': 0.0}`` → statement and likelihood; None for anything that is not such a dictionary."""
    if not text.strip():
        return {}
    try:
        codes = ast.literal_eval(text) if len(text) <= _MAX_CODES else None
        return {str(code): float(likelihood) for code, likelihood in codes.items()} if isinstance(codes, dict) else None
    except (ValueError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError):
        return None


def _meaning(code: str, likelihood: float) -> Meaning:
    meaning = SCP.meanings.get(code, Meaning())
    if 0 < likelihood < LIKELY:
        return Meaning(unclear=meaning.positive + meaning.unclear)
    return meaning
