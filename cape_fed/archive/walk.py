"""The folders of an archive, linked ones among them, each once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cape_fed.archive.base import Notice
from cape_fed.archive.paths import printable
from cape_fed.errors import InputError

Listed = tuple[Path, list[str]]
"""A folder, relative to the archive, and the names of its files."""


class _Folder(NamedTuple):
    path: Path
    """Relative to the archive."""
    is_foreign: bool
    """Whether it is a link or was reached through one."""


def walk(root: Path) -> Iterator[Listed | Notice]:
    """Yield every folder below ``root`` with its files, in the order of their names.

    A linked folder is followed where it leads out of the archive to a folder not seen yet. Where it leads back into
    the archive, to a folder above it, or nowhere, that is a notice. Raises InputError where a folder cannot be listed.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [_Folder(Path(), False)]
    while waiting:
        folder = waiting.pop()
        files, folders, broken = _listing(root, folder)
        yield folder.path, files
        yield from (Notice("BROKEN_LINK", (printable(str(folder.path / name)),)) for name in broken)
        for below in sorted(folders, key=lambda below: below.path.name, reverse=True):
            again = _known_already(root / below.path, root.resolve(), seen) if below.is_foreign else ""
            if again:
                yield Notice("LINKED_FOLDER", (f"{printable(str(below.path))} leads to {printable(again)}",))
            else:
                waiting.append(below)


def _listing(root: Path, folder: _Folder) -> tuple[list[str], list[_Folder], list[str]]:
    """Names of the files of a folder, its folders, and the names of links that lead nowhere."""
    files, folders, links = [], [], []
    for item in _scan(root / folder.path):
        if _is_folder(item):
            if not item.name.startswith("."):
                folders.append(_Folder(folder.path / item.name, folder.is_foreign or item.is_symlink()))
            continue
        files.append(item.name)
        if item.is_symlink() and not _is_there(item):
            links.append(item.name)
    # a record whose files are not there is named as such
    headers = frozenset(name for name in files if name.endswith((".hea", ".HEA")))
    broken = [name for name in links if name not in headers and f"{name.rpartition('.')[0]}.hea" not in headers]
    return files, folders, sorted(broken)


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself
        return False


def _is_there(item: os.DirEntry[str]) -> bool:
    try:
        return Path(item.path).exists()
    except OSError:
        return False


def _known_already(folder: Path, real_root: Path, seen: set[tuple[int, int]]) -> str:
    """Where a linked folder lies if it is listed in another place or holds the archive; empty otherwise."""
    target = folder.resolve()
    status = target.stat()
    identity = status.st_dev, status.st_ino
    if target.is_relative_to(real_root) or real_root.is_relative_to(target) or identity in seen:
        return str(target)
    seen.add(identity)
    return ""


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except OSError as error:
        raise InputError(f"'{error.filename}' cannot be listed: {error.strerror}") from error
