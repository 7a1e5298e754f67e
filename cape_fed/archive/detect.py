"""What format an archive looks like, for the message when it was called another."""

from __future__ import annotations

import os
from itertools import islice
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
_SUFFIXES = {".hea": "wfdb", ".dcm": "dicom", ".scp": "scp"}
_FOLDERS = 1000
"""How many folders to look into for a file with a telling suffix before giving up."""


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
    for _, _, files in islice(os.walk(root), _FOLDERS):
        fitting = filter(None, (_SUFFIXES.get(Path(file).suffix.lower()) for file in files))
        if (found := next(fitting, None)) is not None:
            return found
    return None
