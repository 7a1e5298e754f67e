"""PTB-XL: ``ptbxl_database.csv`` next to WFDB records in 100 or 500 Hz.

Layout and codes: Wagner et al. 2020, Scientific Data 7:154. Columns may be fewer, more or in another order.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cape_fed.archive.base import Entry, Notice, RawRecord, RecordError, Sex
from cape_fed.archive.codes import SCP
from cape_fed.archive.detect import PTBXL_TABLE, wrong_format
from cape_fed.archive.fields import AGE_OVER_89, Cells, stated
from cape_fed.archive.headers import is_plain_file
from cape_fed.archive.identifiers import RoundedIdError, identifier
from cape_fed.archive.joins import Unique
from cape_fed.archive.labels import Meaning, combine
from cape_fed.archive.paths import on_disk, printable
from cape_fed.archive.recording import Description, join
from cape_fed.archive.rows import BadRow, Row
from cape_fed.archive.tables import read_rows
from cape_fed.archive.wfdb_record import read_recording, record_files
from cape_fed.errors import InputError

LIKELY = 50.0
"""From this likelihood in per cent on a statement counts as made; 0 stands for "not given" and counts as made."""
_OVER_89 = "300"
_SEX: dict[str, Sex] = {"0": "M", "0.0": "M", "1": "F", "1.0": "F"}
_COLUMNS = ("patient_id", "age", "sex", "scp_codes", "strat_fold")
_FILES = ("filename_lr", "filename_hr")
_CODE = re.compile(r"[A-Z0-9_/()]{1,16}")
_CERTAIN = 100.0
"""Per cent; the largest likelihood."""
_MAX_CODES = 10_000
"""Characters of a cell; real ones have some tens."""


@dataclass(frozen=True)
class PtbXl:
    """Reader of format ``ptbxl``; takes the 500 Hz file of a record where it is there, else the one in 100 Hz."""

    verify: bool = False
    common_gain: float | None = None
    name = "ptbxl"
    explicit_labels = frozenset[str]()

    def entries(self, root: Path) -> Iterator[Entry | Notice]:
        """List the rows of the table in its order, whether or not their files are there."""
        table = root / PTBXL_TABLE
        if not table.is_file():
            raise wrong_format(root, self.name, PTBXL_TABLE)
        by_id = Unique(PTBXL_TABLE, "ecg_id", (*_COLUMNS, *_FILES))
        by_name = Unique(PTBXL_TABLE, "file name", ("ecg_id", *_COLUMNS))
        for row in read_rows(table):
            if isinstance(row, Row):
                yield _entry(root, table, row, by_id, by_name)
            else:
                yield row.entry() if isinstance(row, BadRow) else row

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one record; everything but the signal comes from the table."""
        entry.require()
        path = entry.locator["path"]
        if not path:
            raise RecordError("MISSING_FILE", "the table names no file for it")
        recording = read_recording(root / path, seconds, self.verify, self.common_gain)
        return join(entry.record, recording, _describe(entry.locator))


def _entry(root: Path, table: Path, row: Row, by_id: Unique, by_name: Unique) -> Entry:
    if not any(column in row.cells for column in _FILES):
        raise InputError(f"'{table}' has neither of the columns {', '.join(_FILES)}")
    path = _path(root, row.cells)
    number = row.cells.get("ecg_id", "")
    record = printable(path) or (f"ecg {number}" if number else f"{PTBXL_TABLE}, line {row.line}")
    if number:
        by_id.is_new(_same(number), row)
    if path:
        by_name.is_new(path, row)
    cells = {key: row.cells.get(key) for key in _COLUMNS}
    return Entry(record, {"path": path} | cells, record_files(root, path))


def _same(number: str) -> str:
    """An id in its one spelling, as it stands where digits were lost."""
    try:
        return identifier(number) or number
    except RoundedIdError:
        return number


def _path(root: Path, cells: Mapping[str, str]) -> str:
    """The record's path without suffix, in 500 Hz where that file is there."""
    low, high = (on_disk(root, cells.get(column, "").removesuffix(".hea")) for column in _FILES)
    return high if high and (not low or is_plain_file(root / f"{high}.hea")) else low


def _describe(row: Mapping[str, Any]) -> Description:
    cells = Cells(row)
    over = (cells.stated("age") or "").removesuffix(".0") == _OVER_89
    codes = _codes(row.get("scp_codes") or "")
    if codes is None:
        cells.complain("BAD_LABELS", "scp_codes")
    return Description(
        patient=cells.patient("patient_id"),
        age=AGE_OVER_89 if over else cells.age("age"),
        sex=cells.sex("sex", _SEX),
        labels=combine(SCP.labels, (_meaning(*item) for item in codes.items())) if codes else {},
        fold=cells.fold("strat_fold"),
        unmapped=tuple(code for code in codes or {} if code not in SCP.meanings),
        notes=cells.notes,
        misread=cells.misread,
    )


def _codes(text: str) -> dict[str, float] | None:
    """``{'NORM': 100.0, 'SR': 0.0}`` → statement and likelihood; None for anything that is not such a dictionary."""
    if stated(text) is None:
        return {}
    try:
        given: Any = ast.literal_eval(text) if len(text) <= _MAX_CODES else None
        codes = {str(code): float(likelihood) for code, likelihood in given.items()}
    except (ValueError, SyntaxError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError):
        return None
    is_plausible = all(_CODE.fullmatch(code) and 0 <= likelihood <= _CERTAIN for code, likelihood in codes.items())
    return codes if is_plausible else None


def _meaning(code: str, likelihood: float) -> Meaning:
    meaning = SCP.meanings.get(code, Meaning())
    if 0 < likelihood < LIKELY:
        return Meaning(unclear=meaning.positive + meaning.unclear)
    return meaning
