"""What an app gets of the machine: paths, devices, memory and processes. Everything else is not there for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

RUN_NAME = re.compile(r"[0-9a-f]{12}")
REFUSED = "refused"
"""Folder under ``state`` with apps that were refused: none of an app's business."""


@dataclass(frozen=True)
class Bounds:
    """Bounds of a site's apps; paths are absolute."""

    read: tuple[str, ...]
    """Stores and the installed libraries."""
    state: str
    """The site's directory: of the runs in it, an app sees the one whose message it answers, and writes to that one."""
    files: tuple[str, ...]
    """Single files that are written to, and folders in ``state``."""
    notes: tuple[str, ...]
    """Single files in ``state`` that are written to, and made where they are missing."""
    devices: tuple[str, ...]
    runtime: str
    """Directory of the node's own, out of reach for apps; its file ``run`` names the run of the message in hand."""
    memory: int
    """Bytes, for all processes of an app together."""
    processes: int
    """Processes and threads of an app."""

    @property
    def file(self) -> Path:
        """Where `save` writes them."""
        return Path(self.runtime) / "bounds.json"

    def save(self) -> Path:
        """Write them into ``runtime`` for the process that starts apps; the file."""
        path = self.file
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def load(cls, path: Path) -> Bounds:
        """What `save` wrote."""
        values: dict[str, Any] = json.loads(path.read_text())
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**given)

    @property
    def empty(self) -> Path:
        """An empty directory that stands in the place of hidden ones."""
        return Path(self.runtime) / "empty"

    @property
    def warm(self) -> Path:
        """Socket of the process that forks for messages."""
        return Path(self.runtime) / "warm"

    def without_files(self) -> Bounds:
        """The same where the single files are not there yet."""
        return replace(self, files=(), notes=())

    def run(self, seconds: float = 0.0) -> str:
        """Name of the run whose message is in hand; empty where it is of none, or not known after ``seconds``."""
        end = monotonic() + seconds
        while True:
            with suppress(FileNotFoundError):
                return (Path(self.runtime) / "run").read_text()
            if monotonic() > end:
                return ""
            sleep(0.02)

    def hidden(self, run: str) -> list[Path]:
        """Directories under ``state`` that an app of ``run`` does not see: other runs', and refused apps."""
        folders = (path for path in sorted(Path(self.state).iterdir()) if path.is_dir() and not path.is_symlink())
        return [
            path for path in folders if path.name == REFUSED or (RUN_NAME.fullmatch(path.name) and path.name != run)
        ]


@contextmanager
def run_folder(bounds: Bounds, run: str) -> Iterator[None]:
    """What an app of ``run`` writes to is there meanwhile; a folder that it leaves empty is none of a run."""
    folder = Path(bounds.state) / run
    for note in bounds.notes:
        Path(note).touch(mode=0o600)
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        yield
    finally:
        if run:
            with suppress(OSError):
                folder.rmdir()


def note_run(runtime: Path, run: str | None) -> None:
    """Say of which run the message in hand is; None where it is not known yet."""
    if run is None:
        (runtime / "run").unlink(missing_ok=True)
        return
    partial = runtime / ".run"
    partial.write_text(run)
    partial.replace(runtime / "run")
