"""Which apps a site runs: none but those that its admin has approved, each by the hash of its bytes."""

from __future__ import annotations

import getpass
import hashlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cape_fed.errors import InputError
from cape_fed.federation.fab import App, read_app
from cape_fed.files import atomic_file
from cape_fed.section import Section
from cape_fed.site.config import SiteConfig
from cape_fed.site.refused import SHORTEST, RefusedApps

LIST = "approved.json"


class Approval(Section):
    """An app that a site runs."""

    hash: str
    name: str
    version: str
    by: str
    """Who approved it."""
    at: datetime


_Approvals = TypeAdapter(list[Approval])


class Approvals:
    """The approved apps of a site: a list and the apps in its folder ``apps``, which is beside its site.toml.

    An app that runs cannot add to it where the service does not own that folder.
    """

    def __init__(self, site: SiteConfig) -> None:
        if site.apps is None:
            raise InputError(f"site {site.name} has no site.toml beside which approved apps could be kept")
        self.folder = site.apps

    def entries(self) -> list[Approval]:
        """Approved apps, the last approved one last; InputError where others than its owner could have written it."""
        path = self.folder / LIST
        try:
            for place in (self.folder, path):
                if place.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                    raise InputError(f"others than its owner can write to {place}: chmod go-w {place}")
            return _Approvals.validate_json(path.read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        except ValidationError as error:
            raise InputError(f"{path} is damaged: remove it and approve again") from error

    def find(self, digest: str) -> Approval | None:
        """The approval of the app with this hash; None where it is not approved. InputError as for `entries`."""
        return next((entry for entry in self.entries() if entry.hash == digest), None)

    def approve(self, content: bytes) -> Approval:
        """Let the site run this app; InputError where it is no app bundle."""
        app, entries = read_app(content), self.entries()
        now = datetime.now(UTC).replace(microsecond=0)
        entry = Approval(hash=app.hash, name=app.name, version=app.version, by=_user(), at=now)
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # whatever the umask: the service may be another user, and must read it
        _write(self.folder / f"{app.hash}.fab", content)
        self._save([*(other for other in entries if other.hash != app.hash), entry])
        return entry

    def revoke(self, digest: str) -> Approval:
        """Run the app with this hash, or beginning of one, no more; InputError where it is not approved."""
        entries = self.entries()
        entry = self._one([entry for entry in entries if entry.hash.startswith(digest)], digest)
        self._save([other for other in entries if other.hash != entry.hash])
        (self.folder / f"{entry.hash}.fab").unlink(missing_ok=True)
        return entry

    def last(self) -> App | None:
        """The app that was approved last; None where there is none."""
        entries = self.entries()
        path = self.folder / f"{entries[-1].hash}.fab" if entries else None
        content = path.read_bytes() if path and path.exists() else None
        known = content is not None and hashlib.sha256(content).hexdigest() == entries[-1].hash
        return read_app(content) if content is not None and known else None

    def _one(self, found: list[Approval], digest: str) -> Approval:
        if len(digest) < SHORTEST or len(found) != 1:
            raise InputError(f"{digest} names no approved app: give at least {SHORTEST} digits of its hash")
        return found[0]

    def _save(self, entries: list[Approval]) -> None:
        _write(self.folder / LIST, _Approvals.dump_json(entries, indent=1) + b"\n")


def _user() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path) as partial:
        partial.write_bytes(content)
        partial.chmod(0o644)


def find_app(what: str, refused: RefusedApps) -> bytes:
    """The bytes of an app that is named by its file, by the run that asked for it, or by the beginning of its hash.

    InputError where there is no such app, or several.
    """
    path = Path(what)
    if path.is_file():
        return path.read_bytes()
    found = refused.find(what)
    if len(found) != 1:
        known = ", ".join(f"run {app.run} ({app.hash[:12]})" for app in refused.entries()) or "none"
        raise InputError(f"{what} is no file, and no app that was asked for here and refused: {known}")
    return refused.content(found[0])
