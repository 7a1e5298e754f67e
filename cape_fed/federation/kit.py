"""The coordinator's kit: a folder that says where its SuperLink is and which sites are on its roster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.files import atomic_file

COORDINATOR_FILE = "coordinator.json"
ROSTER_FILE = "roster.yaml"
FLOWER_HOME = "flwr"


@dataclass(frozen=True, slots=True)
class CoordinatorKit:
    """What `cape-fed provision` made for the coordinator."""

    folder: Path
    name: str
    local_port: int
    plan: tuple[str, ...]
    """What is to be run, as ``key=value``."""

    @property
    def roster(self) -> Path:
        """The sites and their roles."""
        return self.folder / ROSTER_FILE

    @property
    def authority(self) -> Path:
        """Certificate of the authority that signed the SuperLink's."""
        return self.folder / "tls" / "ca.crt"

    def flower_home(self) -> Path:
        """Flower's home for this kit, its connection written where the kit was moved since."""
        home = self.folder / FLOWER_HOME
        address, authority = f"127.0.0.1:{self.local_port}", json.dumps(str(self.authority))
        text = (
            f'[superlink]\ndefault = "{self.name}"\n\n[superlink.{self.name}]\n'
            f'address = "{address}"\nroot-certificates = {authority}\n'
        )
        config = home / "config.toml"
        if not config.exists() or config.read_text() != text:
            with atomic_file(config) as path:
                path.write_text(text)
        return home


def find_kit(connection: str) -> CoordinatorKit | None:
    """The kit in the folder that a connection names, or None where it names a connection of Flower's."""
    file = Path(connection) / COORDINATOR_FILE
    if not file.is_file():
        return None
    try:
        described = json.loads(file.read_text())
        name, port, plan = str(described["name"]), int(described["local_port"]), tuple(described["plan"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is not what cape-fed provision wrote: run it again") from error
    return CoordinatorKit(Path(connection).resolve(), name, port, plan)
