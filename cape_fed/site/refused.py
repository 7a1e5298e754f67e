"""Apps that a site was asked to run and refused: kept as bytes, so that its admin can look at them and decide."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cape_fed.errors import InputError
from cape_fed.federation.fab import LARGEST
from cape_fed.files import PRIVATE, atomic_file
from cape_fed.section import Section

FOLDER, LIST = "refused", "refused.json"
KEPT = 5
"""Apps that are kept: the newest ones."""
SHORTEST = 8
"""Fewest digits of a hash that name an app."""


class RefusedApp(Section):
    """An app that a run asked for."""

    hash: str
    run: int
    """Flower's number of the run."""
    size: int
    at: datetime


_Entries = TypeAdapter(list[RefusedApp])


class RefusedApps:
    """The refused apps under a site's directory ``state``."""

    def __init__(self, state: Path) -> None:
        self.folder = state / FOLDER

    def entries(self) -> list[RefusedApp]:
        """What was asked for, the newest last; none where the list cannot be read."""
        try:
            return _Entries.validate_json((self.folder / LIST).read_bytes())
        except (OSError, ValidationError):
            return []

    def keep(self, content: bytes, run: int) -> RefusedApp:
        """Keep an app that ``run`` asked for, unless it is larger than an app may be; older ones go."""
        entry = RefusedApp(
            hash=hashlib.sha256(content).hexdigest(),
            run=run,
            size=len(content),
            at=datetime.now(UTC).replace(microsecond=0),
        )
        entries = [*(other for other in self.entries() if other.hash != entry.hash), entry][-KEPT:]
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(entry.hash)
        if len(content) <= LARGEST and not path.exists():
            _write(path, content)
        _write(self.folder / LIST, _Entries.dump_json(entries, indent=1) + b"\n")
        kept = {self._path(other.hash) for other in entries}
        for path in self.folder.glob("*.fab"):
            if path not in kept:
                path.unlink()
        return entry

    def find(self, what: str) -> list[RefusedApp]:
        """The apps whose run or beginning of a hash this is."""
        return [
            entry
            for entry in self.entries()
            if what == str(entry.run) or (len(what) >= SHORTEST and entry.hash.startswith(what))
        ]

    def content(self, entry: RefusedApp) -> bytes:
        """The bytes of a refused app; InputError where they were not kept or are not what they were."""
        path = self._path(entry.hash)
        content = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != entry.hash:
            raise InputError(
                f"the app {entry.hash[:12]} of {entry.size} bytes was not kept: ask the coordinator for it"
            )
        return content

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.fab"


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path, PRIVATE) as partial:
        partial.write_bytes(content)
