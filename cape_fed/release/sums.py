"""Checksums that vouch for every file of a directory that is handed over."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cape_fed.errors import InputError

SUMS = "SHA256SUMS"


def digest(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(root: Path) -> None:
    """Write `SUMS` over every other file below ``root``, as ``sha256sum -c`` reads it."""
    names = sorted(_names(root) - {SUMS})
    (root / SUMS).write_text("".join(f"{digest(root / name)}  {name}\n" for name in names), encoding="utf-8")


def version_of(root: Path) -> str:
    """Twelve hex digits that change with any file that the checksums of a directory vouch for."""
    return digest(root / SUMS)[:12]


def check_sums(root: Path, needed: Sequence[str]) -> None:
    """InputError unless the files of a directory are there and unaltered, ``needed`` among them, and no others."""
    if not (root / SUMS).is_file():
        raise InputError(f"{root} is not a bundle: it has no {SUMS}")
    try:
        lines = (root / SUMS).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{root / SUMS} is no list of checksums: get the bundle again") from error
    listed = {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}
    for name in needed:
        if name not in listed or not (root / name).is_file():
            raise InputError(f"{root / name} is missing or not listed in {SUMS}: get the bundle again")
    for name in sorted((listed.keys() | _names(root)) - {SUMS}):
        path = root / name
        if name not in listed:
            raise InputError(f"{path} is not listed in {SUMS}, so nothing vouches for it: move it out of the bundle")
        if not path.is_file():
            raise InputError(f"{path} is listed in {SUMS} and missing: get the bundle again")
        if digest(path) != listed[name]:
            raise InputError(f"{path} was altered (its checksum differs from {SUMS}): get the bundle again")


def _names(root: Path) -> set[str]:
    """All that is below ``root`` and is no directory, by relative path; links to directories count as files."""
    found = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(root).as_posix() for path in found}
