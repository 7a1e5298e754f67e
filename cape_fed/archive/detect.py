"""What format an archive looks like, for the message when it was called another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cape_fed.errors import InputError

MANIFEST = "manifest.csv"
PTBXL_TABLE = "ptbxl_database.csv"
CODE15_TABLE = "exams.csv"
MIMIC_TABLE = "record_list.csv"

_TABLES = {
    PTBXL_TABLE: "ptbxl",
    MIMIC_TABLE: "mimic-iv-ecg",
    CODE15_TABLE: "code15",
    MANIFEST: "manifest",
}
_SEARCH_DEPTH = 4


def wrong_format(root: Path, name: str, expected: str) -> InputError:
    """The error for a path that is not an archive of format ``name``, suggesting the one it looks like."""
    where = f"'{root}'"
    if not root.exists():
        return InputError(f"there is no archive at {where}: give the folder that holds {expected}")
    if root.is_dir() and not any(root.iterdir()):
        return InputError(f"the folder {where} is empty: expected {expected} for format {name}")
    fitting = guess_format(root)
    hint = f"it looks like --format {fitting}" if fitting and fitting != name else "check the path"
    return InputError(f"{where} is not an archive of format {name}: expected {expected}; {hint}")


def guess_format(root: Path) -> str | None:
    """Name of the format that the files at ``root`` speak for, None where none does."""
    if root.is_file():
        return "manifest" if root.suffix.lower() == ".csv" else None
    for table, name in _TABLES.items():
        if (root / table).is_file():
            return name
    return "wfdb" if any(_headers(root, _SEARCH_DEPTH)) else None


def _headers(folder: Path, depth: int) -> Iterator[Path]:
    """WFDB headers, looking only so deep and taking the first folders first."""
    yield from folder.glob("*.hea")
    if depth:
        for child in sorted(folder.iterdir()):
            if child.is_dir():
                yield from _headers(child, depth - 1)
