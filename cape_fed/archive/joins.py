"""Tables that describe records listed elsewhere: which rows belong to which records, and whether they do at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cape_fed.archive.base import Notice
from cape_fed.archive.identifiers import RoundedIdError, identifier
from cape_fed.archive.rows import Row
from cape_fed.errors import InputError

ENOUGH = 0.5
"""A table that names no larger share of the archive's records than this is taken for one of other identifiers."""
_SHOWN = 3
_REMEMBERED = 1000
"""Identifiers of a table that are held to show some that no record has."""
_EARLY = 100
"""After so many records it is said for the first time whether the table names them."""


@dataclass
class Unique:
    """Notices an identifier that a table has twice."""

    table: str
    key: str
    columns: Sequence[str]
    """The columns whose values have to agree."""
    _held: dict[int, int] = field(default_factory=dict)
    """Hash of an identifier → hash of its values: millions of rows have to fit in memory."""

    def is_new(self, found: str, row: Row) -> bool:
        """False for a row that repeats another; raises InputError where the two have different values."""
        values = hash(tuple(row.cells.get(column) for column in self.columns))
        held = len(self._held)
        before = self._held.setdefault(hash(found), values)
        if before != values:
            raise InputError(
                f"{self.table} has the {self.key} {found} twice with different values, again in line {row.line}: "
                "correct or take out one of the two rows"
            )
        return len(self._held) > held


def key_of(table: str, row: Row, column: str, notices: list[Notice]) -> str | None:
    """The identifier in a row's key column; a row without one describes nobody, which is added to ``notices``."""
    place = f"{table}, line {row.line}: {column} '{row.cells.get(column, '')[:40]}'"
    try:
        found = identifier(row.cells.get(column))
    except RoundedIdError:
        notices.append(Notice("ID_ROUNDED", (place,)))
        return None
    if found is None:
        notices.append(Notice("ID_MISSING", (place,)))
    return found


class Coverage:
    """Counts how many of the archive's records a table names, with examples from both sides where it is few."""

    def __init__(self, table: str, kind: str, identifiers: Iterator[str] | Sequence[str]) -> None:
        self._table = table
        self._kind = kind
        self._unclaimed = dict.fromkeys(list(identifiers)[:_REMEMBERED])
        self._unnamed: list[str] = []
        self._seen = self._missed = self._said = 0

    def count(self, found: str | None, is_named: bool) -> Iterator[Notice]:
        """Count one record of the archive by the identifier that the table should have."""
        self._seen += 1
        if is_named and found is not None:
            self._unclaimed.pop(found, None)
        else:
            self._missed += 1
            if len(self._unnamed) < _SHOWN:
                self._unnamed.append(found or "without one")
        if self._seen == _EARLY:
            yield from self.notices()

    def notices(self) -> Iterator[Notice]:
        """A finding where few records were named, on those counted since this was last said."""
        few = self._missed >= (1 - ENOUGH) * self._seen
        if self._missed == self._said or not few:
            return
        ours, theirs = ", ".join(self._unnamed), ", ".join(list(self._unclaimed)[:_SHOWN]) or "none"
        examples = (
            f"{self._kind} of records that {self._table} does not name: {ours}",
            f"{self._kind} in {self._table} that no record has: {theirs}",
        )
        yield Notice("TABLE_MISMATCH", examples, self._missed - self._said)
        self._said = self._missed
