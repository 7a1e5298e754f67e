"""Lines of a CSV file as rows: right in every cell, or named and not used."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from cape_fed.archive.base import Entry, Notice
from cape_fed.archive.lines import MAX_LINE, Line

DELIMITERS = ",;\t|"
_QUOTED = re.compile(r' *"([^"]*(?:""[^"]*)*)" *')
_OPENING = re.compile(r' *"')
_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"[0-9]+")
_MOST_PATTERNS = 100
_MOST_JOINED = 100
"""Lines that one cell in quotes may reach over."""


class Row(NamedTuple):
    """One row with as many cells as the table has headings."""

    line: int
    """Of its beginning, counted from 1."""
    cells: dict[str, str]
    """By heading in lower case, without blanks around the text."""


class BadRow(NamedTuple):
    """A row none of whose cells is used."""

    table: str
    line: int
    code: str
    reason: str

    @property
    def place(self) -> str:
        """Table, line and reason, as the site is shown them."""
        return f"{self.table}, line {self.line}: {self.reason}"

    def notice(self) -> Notice:
        """The row as a finding, for a table that describes records listed elsewhere."""
        return Notice(self.code, (self.place,))

    def entry(self) -> Entry:
        """The row as a record that cannot be read, for a table that lists the records."""
        return Entry(self.place, problem=(self.code, self.reason))


class OpenQuoteError(Exception):
    """A quote is open at the end of the text."""


class MalformedRowError(Exception):
    """A quote stands where none can."""


class Lines:
    """Lines that can be given back, and what was odd about them."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self.foreign: list[int] = []
        self.cut_off: int | None = None

    def take(self) -> Line | None:
        """The next line, None after the last."""
        if self._again:
            return self._again.popleft()
        line = next(self._lines, None)
        if line is not None:
            if line.foreign:
                self.foreign.append(line.number)
            if not line.ended and len(line.text) < MAX_LINE:
                self.cut_off = line.number
        return line

    @property
    def at_open_end(self) -> bool:
        """Whether the line taken last is the last one and has no end."""
        return self.cut_off is not None and not self._again

    def give_back(self, lines: list[Line]) -> None:
        """Put lines back, to be taken again in their order."""
        self._again.extendleft(reversed(lines))


def first_line(lines: Lines) -> Line | None:
    """The next line that is not blank."""
    while (line := lines.take()) is not None and not line.text.strip():
        pass
    return line


def parse_rows(table: str, lines: Lines, headings: list[str], delimiter: str) -> Iterator[Row | BadRow]:
    """Rows in their order. One is held back until the next is known, which may be a part of it."""
    firsts, held = _FirstCells(), None
    fragment: str | None = None
    for row, cells in _parsed(table, lines, headings, delimiter):
        if isinstance(row, Row):
            if fragment is not None and firsts.may_besplit_cells(fragment, cells[0]):
                row = BadRow(table, row.line, "ROW_DAMAGED", "its first cell may begin in the line before")
            else:
                firsts.add(cells[0])
            fragment = None
        else:
            fragment = cells[0] if len(cells) == 1 and len(headings) > 1 else None
            if isinstance(held, Row) and not lines.at_open_end and fragment and firsts.may_be_a_rest(fragment):
                held = BadRow(table, held.line, "ROW_DAMAGED", "its last cell may go on in the line after")
        if held is not None:
            yield held
        held = row
    if held is not None:
        yield held


def _parsed(
    table: str, lines: Lines, headings: list[str], delimiter: str
) -> Iterator[tuple[Row | BadRow, list[str]]]:  # fmt: skip
    """Each row with its cells as they stand there; no cells where they cannot be told apart."""
    while (line := first_line(lines)) is not None:
        try:
            cells = _cells(line, lines, len(headings), delimiter)
        except MalformedRowError as error:
            yield BadRow(table, line.number, "ROW_DAMAGED", str(error)), []
            continue
        if len(cells) != len(headings):
            reason = f"{len(cells)} cells where the heading has {len(headings)}"
            yield BadRow(table, line.number, "ROW_WIDTH", reason), cells
        else:
            named = zip(headings, cells, strict=True)
            yield Row(line.number, {heading: cell.strip() for heading, cell in named if heading}), cells


def _pattern(text: str) -> str:
    """``r/a12`` → ``a/a9``: what kinds of characters follow each other."""
    return _DIGITS.sub("9", _LETTERS.sub("a", text))


class _FirstCells:
    """What the first cells of the good rows look like, by which a row split by a stray line end is recognised."""

    def __init__(self) -> None:
        self._lengths: tuple[int, int] | None = None
        self._patterns: set[str] = set()

    def add(self, cell: str) -> None:
        low, high = self._lengths or (len(cell), len(cell))
        self._lengths = min(low, len(cell)), max(high, len(cell))
        if len(self._patterns) < _MOST_PATTERNS:
            self._patterns.add(_pattern(cell))

    def may_be_a_rest(self, fragment: str) -> bool:
        """Whether a line of one cell may belong to the last cell before: it looks like no beginning of a row."""
        is_beginning = self._fits(len(fragment)) and _pattern(fragment) in self._patterns
        return not is_beginning and not any(delimiter in fragment for delimiter in DELIMITERS)

    def may_besplit_cells(self, fragment: str, cell: str) -> bool:
        """Whether the line before and a first cell may be one cell; so too where nothing is known to compare with."""
        return self._lengths is None or self._fits(len(fragment) + len(cell))

    def _fits(self, length: int) -> bool:
        return self._lengths is not None and self._lengths[0] <= length <= self._lengths[1]


def _cells(line: Line, lines: Lines, width: int, delimiter: str) -> list[str]:
    """The cells of the row that begins with ``line``; further lines are taken where a cell in quotes reaches over them.

    A quote that nobody closed would swallow the rows that follow. So a line which has all the delimiters of a row of
    its own is never taken as the rest of a cell.
    """
    joined: list[Line] = []
    text = line.text
    while True:
        if "\0" in text or len(text) >= MAX_LINE:
            lines.give_back(joined)
            raise MalformedRowError("it holds a NUL byte" if "\0" in text else "it is longer than any row")
        try:
            return split_cells(text, delimiter)
        except MalformedRowError:
            lines.give_back(joined)
            raise
        except OpenQuoteError:
            more = lines.take() if len(joined) < _MOST_JOINED else None
            joined += [more] if more else []
            if more is None or more.text.count(delimiter) >= width - 1:
                lines.give_back(joined)
                raise MalformedRowError("a quote is opened and not closed") from None
            text = f"{text}\n{more.text}"


def split_cells(text: str, delimiter: str) -> list[str]:
    """Cells of one row; raises where a quote is left open or stands within a cell that does not begin with one."""
    if '"' not in text:
        return text.split(delimiter)
    cells, place = [], 0
    while True:
        if match := _QUOTED.match(text, place):
            cells.append(match[1].replace('""', '"'))
            place = match.end()
        elif _OPENING.match(text, place):
            raise OpenQuoteError
        else:
            end = text.find(delimiter, place)
            cells.append(text[place : end if end >= 0 else None])
            place = end if end >= 0 else len(text)
            if '"' in cells[-1]:
                raise MalformedRowError("a quote stands within a cell that is not in quotes")
        if place == len(text):
            return cells
        if text[place] != delimiter:
            raise MalformedRowError("text follows a closing quote")
        place += 1
