"""Which file each record of an archive is in: for the site, where the names of records do not say it."""

from __future__ import annotations

import csv
from pathlib import Path

from cape_fed.archive.base import Entry, Reader
from cape_fed.archive.paths import printable
from cape_fed.files import PRIVATE, atomic_file


def write_names(root: Path, reader: Reader, out: Path) -> None:
    """Write a CSV with the columns ``record`` and ``file``, which only its owner can read."""
    with atomic_file(out, PRIVATE) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("record", "file"))
        for entry in reader.entries(root):
            if isinstance(entry, Entry):
                writer.writerow((printable(entry.record), printable(entry.files[0]) if entry.files else ""))
