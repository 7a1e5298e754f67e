"""File paths as tables write them, and as they are on this machine."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from cape_fed.archive.headers import is_plain_file


def printable(path: str) -> str:
    """A path that every table and terminal can hold: bytes that are no UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def on_disk(folder: Path, name: str) -> str:
    """The spelling of ``name`` under which a file, or the header of a WFDB record, lies in ``folder``.

    Tables from other systems write ``\\`` between folders, compose accents in another way, or were made where file
    names are Latin-1. Where nothing is found, the name is returned as it is.
    """
    if name.isascii() and "\\" not in name:
        return name
    return next((spelling for spelling in _spellings(name) if _is_there(folder, spelling)), name)


def _spellings(name: str) -> Iterator[str]:
    for text in dict.fromkeys((name, name.replace("\\", "/"))):
        yield text
        yield unicodedata.normalize("NFC", text)
        yield unicodedata.normalize("NFD", text)
        for encoding in ("cp1252", "latin-1"):
            try:
                yield os.fsdecode(unicodedata.normalize("NFC", text).encode(encoding))
            except UnicodeEncodeError:
                continue


def _is_there(folder: Path, name: str) -> bool:
    return any(is_plain_file(folder / f"{name}{suffix}") for suffix in ("", ".hea", ".HEA"))
