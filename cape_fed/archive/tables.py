"""CSV tables of archives, streamed row by row."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

from cape_fed.errors import InputError

Row = dict[str, str]
"""Cells by heading; headings are in lower case without blanks around them."""

_DELIMITERS = ",;\t"


def read_rows(path: Path, *required: str) -> Iterator[Row]:
    """Yield the rows of a CSV file, plain or ``.gz``, separated by comma, semicolon or tab.

    Bytes that are no UTF-8 become escapes, so that ids stay distinct. Raises InputError where the file cannot be read
    or lacks one of the ``required`` headings (in lower case).
    """
    try:
        with _open(path) as file:
            first = file.readline()
            delimiter = max(_DELIMITERS, key=first.count)
            headings = [heading.strip().lower() for heading in next(csv.reader([first], delimiter=delimiter), [])]
            missing = [heading for heading in required if heading not in headings]
            if missing:
                raise InputError(f"'{path}' has no column {', '.join(missing)}: its headings are {', '.join(headings)}")
            for cells in csv.reader(file, delimiter=delimiter):
                if cells:
                    yield dict(zip(headings, cells, strict=False))
    except FileNotFoundError as error:
        raise InputError(f"there is no table '{path}'") from error
    except (OSError, EOFError, csv.Error) as error:
        raise InputError(f"the table '{path}' cannot be read: {error}") from error


def find_table(folder: Path, name: str) -> Path | None:
    """The table ``name`` in ``folder``, plain or compressed, None where there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _open(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), "utf-8-sig", "backslashreplace", newline="")
    return path.open(encoding="utf-8-sig", errors="backslashreplace", newline="")
