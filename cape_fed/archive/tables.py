"""CSV tables of archives, streamed row by row."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from cape_fed.archive.base import Notice
from cape_fed.archive.lines import read_lines
from cape_fed.archive.rows import (
    DELIMITERS,
    BadRow,
    Lines,
    MalformedRowError,
    OpenQuoteError,
    Row,
    first_line,
    parse_rows,
    split_cells,
)  # fmt: skip
from cape_fed.errors import InputError

_EXCEL_HINT = re.compile(r"sep=([,;\t|])\s*")
"""First line by which Excel is told the delimiter."""


def read_rows(path: Path, *required: str) -> Iterator[Row | BadRow | Notice]:
    """Yield the rows of a CSV file, plain or ``.gz``, separated by comma, semicolon, tab or ``|``.

    A row of another width than the heading, or with quotes that do not fit, is a ``BadRow``; what is odd about the
    file as a whole is a ``Notice``. See ``read_lines`` for encodings and line ends. Raises InputError where the file
    cannot be read, lacks one of the ``required`` headings (in lower case) or has a heading twice.
    """
    try:
        lines = Lines(read_lines(path))
        headings, delimiter = _heading(path, lines, required)
        yield from parse_rows(path.name, lines, headings, delimiter)
        yield from _oddities(path.name, lines)
    except FileNotFoundError as error:
        raise InputError(f"there is no table '{path}'") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"the table '{path}' cannot be read: {error}: copy it again") from error


def used_rows(path: Path, notices: list[Notice], *required: str) -> Iterator[Row]:
    """Yield the rows that can be used; everything else about the table is added to ``notices``."""
    for found in read_rows(path, *required):
        if isinstance(found, Row):
            yield found
        else:
            notices.append(found.notice() if isinstance(found, BadRow) else found)


def find_table(folder: Path, name: str) -> Path | None:
    """The table ``name`` in ``folder``, plain or compressed, None where there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _heading(path: Path, lines: Lines, required: tuple[str, ...]) -> tuple[list[str], str]:
    line, delimiter = first_line(lines), None
    if line is not None and (hint := _EXCEL_HINT.fullmatch(line.text)):
        line, delimiter = first_line(lines), hint[1]
    if line is None:
        raise InputError(f"the table '{path}' is empty: copy or export it again")
    try:
        delimiter = delimiter or max(DELIMITERS, key=lambda candidate: _width(line.text, candidate))
        headings = [heading.strip().lower() for heading in split_cells(line.text, delimiter)]
    except (OpenQuoteError, MalformedRowError):
        raise InputError(f"the heading of '{path}' has a quote that does not fit: correct it") from None
    _check_headings(path, headings, required)
    return headings, delimiter


def _check_headings(path: Path, headings: list[str], required: tuple[str, ...]) -> None:
    missing = [heading for heading in required if heading not in headings]
    if missing:
        raise InputError(f"'{path}' has no column {', '.join(missing)}: its headings are {', '.join(headings)[:200]}")
    repeated = [name for index, name in enumerate(headings) if name and name in headings[:index]]
    if repeated:
        raise InputError(f"'{path}' has the heading {repeated[0]} twice: keep the column that is meant")


def _width(text: str, delimiter: str) -> int:
    try:
        return len(split_cells(text, delimiter))
    except (OpenQuoteError, MalformedRowError):
        return 0


def _oddities(table: str, lines: Lines) -> Iterator[Notice]:
    if lines.foreign:
        yield Notice("NON_UTF8", (f"{table}, line {lines.foreign[0]}",), len(lines.foreign))
    if lines.cut_off:
        yield Notice("OPEN_END", (f"{table}, line {lines.cut_off}",))
