"""Files and directories that are either whole or absent."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
"""Mode of a file that only its owner can read."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def is_out_of_space(error: OSError) -> bool:
    """Whether a file system is full or a quota used up."""
    return error.errno in NO_SPACE


@contextmanager
def atomic_file(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Yield a path next to ``path`` to write to; it takes its name when the block ends well and goes otherwise.

    With a ``mode``, such as `PRIVATE`, the file has it before its first byte is written, as far as the umask allows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if mode is not None:
            partial.touch(mode)
        yield partial
        sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a new directory next to ``path``; it replaces ``path`` when the block ends well.

    Where ``path`` is a link, what it points to is replaced and the link stays.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (path.with_name(f".{path.name}.{os.getpid()}.{what}") for what in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        for file in partial.rglob("*"):
            if file.is_file():
                sync(file)
        if path.exists():
            path.replace(old)
        partial.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def overwrite(path: Path, text: str, length: int) -> None:
    """Write ASCII ``text`` over what stands in a private file, padded with blanks and a line end to ``length`` or more.

    In place and not by renaming: that needs no room on a full disk, and no right to make files beside it. Up to 512
    bytes are one sector, which is written whole or not at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        data = text.ljust(length - 1).encode("ascii") + b"\n"
        write_at(handle, data, 0)
        os.ftruncate(handle, len(data))
        os.fsync(handle)
    finally:
        os.close(handle)


def write_at(handle: int, data: bytes, place: int) -> None:
    """Write all of ``data`` at a place of an open file."""
    while data:
        written = os.pwrite(handle, data, place)
        data, place = data[written:], place + written


def whole_lines(file: BinaryIO, place: int) -> tuple[list[str], int]:
    """Lines of a growing file from byte ``place`` on, and where the next will begin; half a line is left for then."""
    file.seek(place)
    block = file.read()
    whole = block.rfind(b"\n") + 1
    return [line.decode("utf-8", "replace") for line in block[:whole].splitlines()], place + whole


def make_private(path: Path) -> None:
    """Leave a file, or a folder with all in it, to the user who owns it."""
    for inner in (path, *path.rglob("*")):
        inner.chmod(0o700 if inner.is_dir() else PRIVATE)


def sweep(directory: Path) -> None:
    """Remove what processes that are gone were still writing below ``directory``; no name that is read is among it.

    A directory that one of them had moved away for its successor, which never took the name, has its name again.
    """
    for partial in _left(directory, "partial"):
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
    for old in _left(directory, "old"):
        path = old.with_name(".".join(old.name.split(".")[1:-2]))
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.replace(path)


def _left(directory: Path, what: str) -> list[Path]:
    """What processes that are gone left below ``directory``, named ``.NAME.PROCESS.what``."""
    found = [(path, path.name.split(".")[-2]) for path in directory.rglob(f".*.*.{what}")]
    return [path for path, writer in found if writer.isdigit() and not _lives(int(writer))]


def _lives(process: int) -> bool:
    """Whether another process has this id."""
    return process != os.getpid() and Path(f"/proc/{process}").exists()


def sync(path: Path) -> None:
    """Make a file's contents, or a folder's entries, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
