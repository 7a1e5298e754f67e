"""A site's SuperNode, started from its ``site.toml`` alone."""

from __future__ import annotations

import json
import os
import socket
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cape_fed.errors import InputError
from cape_fed.federation.superlink import QUIET
from cape_fed.files import PRIVATE, atomic_file, sweep
from cape_fed.site import audit
from cape_fed.site.admission import admission
from cape_fed.site.cage.apps import LaidOut
from cape_fed.site.cage.bounds import Bounds, note_run
from cape_fed.site.cage.setup import make_cage
from cape_fed.site.config import SiteConfig, SuperLinkAccess, site_from_node_config
from cape_fed.site.errors import AuditError
from cape_fed.site.exits import explained_exit
from cape_fed.site.flower import Observe, run_supernode
from cape_fed.site.ledger import ledger_of
from cape_fed.site.policy_text import note_policy
from cape_fed.site.proxy import without_proxy_on_loopback
from cape_fed.site.scratch import scratch_folder

LOCAL_PORT = "CAPE_FED_LOCAL_PORT"
"""Variable with the port on this machine where site.toml names none: in a container, where a health check asks."""
ENVIRONMENT = {
    **QUIET,
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
}

FOR_APPS = ".for-apps.toml"
"""File under a site's ``state`` with what apps get to know of its site.toml."""
NOT_FOR_APPS = ("superlink", "apps", "plan", "cage")
"""Keys and tables of a site.toml that apps have no use for."""


def read_site(path: Path) -> SiteConfig:
    """The site that a file describes; InputError where it cannot be read, or naming the first key that is wrong."""
    site = site_from_node_config(_read_flat(path))
    return site if site.apps else site.model_copy(update={"apps": path.resolve().with_suffix(".apps")})


def start_node(path: Path, site: SiteConfig) -> None:
    """Run the SuperNode in this process until it is stopped; InputError where the file names no SuperLink."""
    access = site.superlink
    if access is None:
        raise InputError(f"{path} names no SuperLink: add a table [superlink] with address, certificate and key")
    os.environ |= {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
    # Flower starts its helpers by name.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    sweep(site.state)
    os.environ |= without_proxy_on_loopback()
    note_policy(site)
    with explained_exit(access.address), scratch_folder() as runtime:
        cage = make_cage(site, runtime)
        _note_start(site, "bubblewrap" if cage else "none")
        arguments = _arguments(_write_for_apps(path, site), access)
        laid_out = LaidOut(runtime) if cage else None
        run_supernode(arguments, admission(site, laid_out), _observer(cage), cage.file if cage else None)


def _note_start(site: SiteConfig, cage: str) -> None:
    """Begin audit log and ledger where there are none yet: an app in a cage can write to their files and make none."""
    ledger_of(site).begin()
    try:
        audit.record(site, "node started", cage=cage)
    except AuditError as error:
        raise InputError(str(error)) from error


def _observer(cage: Bounds | None) -> Observe:
    """What the node does when it learns of which run a message is: tell the cage."""

    def observe(run: str | None) -> None:
        if cage is not None:
            note_run(Path(cage.runtime), run)

    return observe


def _write_for_apps(path: Path, site: SiteConfig) -> Path:
    """Write what an app gets to know of a site.toml, which is all but how the coordinator is reached; the file."""
    values = {key: value for key, value in _read_flat(path).items() if key.partition(".")[0] not in NOT_FOR_APPS}
    with atomic_file(site.state / FOR_APPS, PRIVATE) as partial:
        # JSON's strings and numbers are TOML's as well.
        partial.write_text("".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in values.items()))
    return site.state / FOR_APPS


def _read_flat(path: Path) -> dict[str, Any]:
    """Keys and values of a site.toml, tables as dotted keys; InputError where it cannot be read."""
    try:
        return _flat(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error


def _arguments(path: Path, access: SuperLinkAccess) -> list[str]:
    return [
        *("--superlink", access.address),
        *("--root-certificates", str(access.certificate)),
        *("--auth-supernode-private-key", str(access.key)),
        *("--node-config", str(path.resolve())),
        *("--host", "127.0.0.1"),
        *("--port", str(access.local_port or os.environ.get(LOCAL_PORT) or _free_port())),
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables as dotted keys, as Flower reads the file."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
