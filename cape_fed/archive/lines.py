"""The lines of a text table, whatever encoding and line ends it has."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MAX_LINE = 1 << 20
"""Characters of a line; a longer one belongs to no table."""
_SNIFFED = 512
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_SURROGATE = re.compile("[\udc80-\udcff]")


class Line(NamedTuple):
    """One physical line."""

    number: int
    """Counted from 1."""
    text: str
    """Without its line end; cut at ``MAX_LINE``."""
    ended: bool
    """Whether a line end follows; False for the last line of a file that may have been cut off."""
    foreign: bool
    """Whether it is no UTF-8 and was read as Windows-1252."""


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file, plain or ``.gz``, in UTF-8, UTF-16, UTF-32 or, line by line, Windows-1252.

    Lines end at CR, LF or both. Raises OSError, EOFError or ``zlib.error`` where the file cannot be read.
    """
    with _open(path) as file:
        number, skipping = 0, False
        while text := file.readline(MAX_LINE):
            ended = text.endswith("\n")
            if not skipping:
                number += 1
                plain, foreign = _decoded(text.rstrip("\n"))
                yield Line(number, plain.removeprefix("\ufeff") if number == 1 else plain, ended, foreign)
            skipping = not ended


def _open(path: Path) -> io.TextIOWrapper:
    raw: Any = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
    try:
        head = raw.peek(_SNIFFED)[:_SNIFFED]
    except BaseException:
        raw.close()
        raise
    return io.TextIOWrapper(raw, _encoding(head), "surrogateescape" if _encoding(head) == "utf-8" else "replace")


def _encoding(head: bytes) -> str:
    """The encoding that a byte order mark, or every second byte being 0, speaks for; UTF-8 otherwise."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    half = len(head) // 2
    if half and head[1::2].count(0) > half * 0.8:
        return "utf-16-le"
    if half and head[::2].count(0) > half * 0.8:
        return "utf-16-be"
    return "utf-8"


def _decoded(text: str) -> tuple[str, bool]:
    """A line read as UTF-8, and whether it had to be read as Windows-1252 instead."""
    if text.isascii() or not _SURROGATE.search(text):
        return text, False
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("cp1252"), True
    except UnicodeDecodeError:  # five bytes mean nothing there
        return raw.decode("latin-1"), True
