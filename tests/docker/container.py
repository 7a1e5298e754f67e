"""A service of a compose file, run from its image as an engine would: read-only, without capabilities, as its user.

What an engine does and this does not: networks, process ids and cgroups of its own. Services meet on 127.0.0.1.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deployment.processes import LABEL
from tests.docker.buildah import Image


@dataclass
class Container:
    """A service with its image unpacked at ``root``."""

    image: Image
    root: Path
    service: Mapping[str, Any]
    places: Mapping[str, Path]
    """What stands for the sources of volumes and secrets in the compose file."""
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str, entrypoint: bool = True) -> list[str]:
        """What starts the container with ``arguments`` in place of its command; nothing else of this machine is seen.

        ``entrypoint=False`` is what ``exec`` does.
        """
        start = [*(self.image.entrypoint if entrypoint else ()), *(arguments or self.image.command)]
        script = "\n".join(["set -e", *self._mounts(), self._enter(start)])
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]

    def health(self) -> list[str]:
        """What an engine runs to see whether the container is healthy."""
        kind, *command = self.image.health
        assert kind == "CMD"
        return self.command(*command, entrypoint=False)

    def _mounts(self) -> list[str]:
        root = shlex.quote(str(self.root))
        lines = [f"mount --rbind {root} {root}", f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        for source, target, writable in self._volumes():
            place, inside = self.places[source], self.root / target.lstrip("/")
            _make_mount_point(place, inside)
            lines.append(f"mount --bind {shlex.quote(str(place))} {shlex.quote(str(inside))}")
            if not writable:
                lines.append(f"mount -o remount,bind,ro {shlex.quote(str(inside))}")
        for entry in self.service["tmpfs"]:
            target, _, options = entry.partition(":")
            lines.append(f"mount -t tmpfs -o {options} tmpfs {root}{target}")
        if self.service["read_only"]:
            lines.append(f"mount -o remount,bind,ro {root}")
        return lines

    def _volumes(self) -> list[tuple[str, str, bool]]:
        """Source, target and whether it can be written to, of volumes and secrets; outer mounts first."""
        found = []
        for volume in self.service["volumes"]:
            source, _, rest = volume.rpartition(":/")
            target, _, mode = rest.partition(":")
            found.append((source, f"/{target}", mode != "ro"))
        found += [(name, f"/run/secrets/{name}", False) for name in self.service.get("secrets", ())]
        return sorted(found, key=lambda entry: entry[1])

    def _enter(self, start: Sequence[str]) -> str:
        user, _, group = str(self.service["user"]).partition(":")
        assert f"{user}:{group}" == self.image.user
        assert self.service["cap_drop"] == ["ALL"]
        assert self.service["security_opt"] == ["no-new-privileges:true"]
        drop = ["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        become = ["setpriv", f"--reuid={user}", f"--regid={group}", *drop]
        variables = [f"{name}={value}" for name, value in {**self.image.environment, **self.environment}.items()]
        inside = f"cd {shlex.quote(self.image.folder)} && exec {shlex.join(start)}"
        words = ["chroot", str(self.root), *become, "env", "-i", *variables]
        return f'exec {shlex.join(words)} {LABEL}="${LABEL}" sh -c {shlex.quote(inside)}'


def read_service(file: Path, name: str) -> dict[str, Any]:
    """A service of a compose file."""
    service: dict[str, Any] = yaml.safe_load(file.read_text())["services"][name]
    return service


def _make_mount_point(place: Path, inside: Path) -> None:
    inside.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        inside.mkdir(exist_ok=True)
    else:
        inside.touch()
