"""A folder of a process's own among the temporary files, which is gone when the process is, however it ended."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

PREFIX = "cape-fed-site-"
YOUNG = 60.0
"""Seconds within which a folder that nobody holds may belong to a process that is just making it."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder that only this user can read; those that processes of this user left when they were killed go."""
    _remove_left_behind(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _remove_left_behind(root: Path) -> None:
    for folder in root.glob(PREFIX + "*"):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # another user's, or gone
            continue
        try:
            about = os.fstat(handle)
            if about.st_uid == os.getuid() and time() - about.st_ctime > YOUNG:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:  # its process lives
            pass
        finally:
            os.close(handle)
