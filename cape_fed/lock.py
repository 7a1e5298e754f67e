"""One writer at a time."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from cape_fed.errors import InputError

_LOCK = struct.Struct("hhqqi4x")
"""The kernel's ``struct flock``: kind, whence, start, length, process."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold ``path`` as a lock file, made where there is none; the system frees it when the process dies.

    Raises InputError where another process holds it.
    """
    handle = _acquire(path)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_in_turn(path: Path, seconds: float | None = None) -> Iterator[None]:
    """Hold ``path`` as a lock file once whoever holds it now lets it go; for work of milliseconds.

    TimeoutError where that takes more than ``seconds``, if they are given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_for(handle, seconds)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, seconds: float | None) -> None:
    if seconds is None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return
    end = monotonic() + seconds
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > end:
                raise TimeoutError from None
            sleep(0.01)


def is_locked(path: Path) -> bool:
    """Whether a living process holds ``path``; false where there is no such file."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def hold_place(path: Path, place: int) -> int:
    """Hold one place (a byte's number, from 0) of a file until the returned handle is closed or the process ends.

    Other processes see it wherever they are, in another namespace of processes as well, where ids say nothing.
    BlockingIOError where another process holds it.
    """
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0))
    except BaseException:
        os.close(handle)
        raise
    return handle


def is_place_held(path: Path, place: int) -> bool:
    """Whether a living process holds that place of a file; looking does not hold it, and reading is all it takes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
        found = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, asked)
    finally:
        os.close(handle)
    return bool(_LOCK.unpack(found)[0] != fcntl.F_UNLCK)


def _acquire(path: Path, tries: int = 5) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if tries := tries - 1:  # somebody may just be looking whether it is held
                sleep(0.05)
                continue
            raise InputError(f"another process is writing to {path.parent}: wait for it or end it") from None
        # the previous holder may have removed the file between the two calls
        if path.exists() and path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
        os.close(handle)
