"""A folder of a process's own among the temporary files, which is gone when the process is, however it ended."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

from cape_fed.lock import is_locked, locked

PREFIX = "cape-fed-site-"
HELD = ".held"
"""Lock file in a folder while its process lives."""
YOUNG = 60.0
"""Seconds within which a folder that nobody holds may belong to a process that is just making it."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder that only this user can read; those that processes of this user left when they were killed go."""
    _remove_left_behind(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder, locked(Path(folder) / HELD):
        yield Path(folder)


def _remove_left_behind(root: Path) -> None:
    for folder in root.glob(PREFIX + "*"):
        with suppress(OSError):  # gone
            about = folder.lstat()
            own = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
            if own and time() - about.st_ctime > YOUNG and not is_locked(folder / HELD):
                shutil.rmtree(folder, ignore_errors=True)
