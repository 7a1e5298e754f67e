"""Whether a site takes part: its admin pauses it, takes it up again, or has it leave, while its node runs on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from cape_fed.files import PRIVATE, atomic_file
from cape_fed.site.cage.bounds import RUN_NAME
from cape_fed.site.config import SiteConfig

Mark = Literal["paused", "left"]


def read_mark(site: SiteConfig) -> Mark | None:
    """What the admin said last; None where the site takes part."""
    marks: tuple[Mark, ...] = ("left", "paused")
    return next((mark for mark in marks if _file(site, mark).exists()), None)


def pause(site: SiteConfig) -> None:
    """Answer no message until `resume`; what is worked on now is not sent."""
    _set(site, "paused")


def leave(site: SiteConfig) -> list[str]:
    """Take part in nothing any more and remove what runs left here; their names.

    A coordinator learns of it by the answer to its next message.
    """
    _set(site, "left")
    return forget_runs(site)


def resume(site: SiteConfig) -> None:
    """Take part again."""
    for mark in ("paused", "left"):
        _file(site, mark).unlink(missing_ok=True)


def run_folders(site: SiteConfig) -> list[Path]:
    """The directories of runs at the site, the one that was used last first."""
    folders = [path for path in site.state.glob("*") if path.is_dir() and RUN_NAME.fullmatch(path.name)]
    return sorted(folders, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)


def forget_runs(site: SiteConfig, keep: int = 0) -> list[str]:
    """Remove what runs left at the site, but of the ``keep`` that were used last; the names of those that went."""
    gone = run_folders(site)[keep:]
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return sorted(folder.name for folder in gone)


def _file(site: SiteConfig, mark: str) -> Path:
    return site.state / mark


def _set(site: SiteConfig, mark: Mark) -> None:
    with atomic_file(_file(site, mark), PRIVATE):
        pass  # that it is there says it all
