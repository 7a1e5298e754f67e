"""One writer at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from cape_fed.errors import InputError


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
