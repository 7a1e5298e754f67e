"""A site's SuperNode, started from its ``site.toml`` alone."""

from __future__ import annotations

import os
import socket
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cape_fed.errors import InputError
from cape_fed.federation.superlink import QUIET
from cape_fed.site.config import SiteConfig, SuperLinkAccess, site_from_node_config
from cape_fed.site.flower import run_supernode

ENVIRONMENT = {
    **QUIET,
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
}


def read_site(path: Path) -> SiteConfig:
    """The site that a file describes; InputError where it cannot be read, or naming the first key that is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    return site_from_node_config(_flat(values))


def check_site(site: SiteConfig) -> list[str]:
    """Lines on what the site brings; InputError naming the first thing that would keep it from taking part."""
    from cape_fed.pretrain.cohorts import common_profile, open_stores
    from cape_fed.pretrain.workbench import choose_device

    stores = open_stores(site.stores)
    device = choose_device(site.device)
    _check_writable(site.state)
    access = site.superlink
    for what, file in (("certificate", access.certificate), ("key", access.key)) if access else ():
        if not os.access(file, os.R_OK):
            raise InputError(f"site.toml: superlink.{what}: cannot read {file}")
    if access and access.key.stat().st_mode & 0o077:
        raise InputError(f"others can read the key {access.key}: chmod 600 {access.key}")
    return [
        f"{site.name}: {site.role}, on {device}, state in {site.state}",
        *(f"  {store.cohort}: {len(store)} records of {store.meta.patients} patients" for store in stores),
        f"  profile {common_profile(stores).name}; at least {site.limits.min_patients} patients behind what leaves",
    ]


def start_node(path: Path, site: SiteConfig) -> None:
    """Run the SuperNode in this process until it is stopped; InputError where the file names no SuperLink."""
    access = site.superlink
    if access is None:
        raise InputError(f"{path} names no SuperLink: add a table [superlink] with address, certificate and key")
    os.environ |= {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
    # Flower starts its helpers by name.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    run_supernode(_arguments(path, access))


def _arguments(path: Path, access: SuperLinkAccess) -> list[str]:
    return [
        *("--superlink", access.address),
        *("--root-certificates", str(access.certificate)),
        *("--auth-supernode-private-key", str(access.key)),
        *("--node-config", str(path.resolve())),
        *("--host", "127.0.0.1"),
        *("--port", str(access.local_port or _free_port())),
    ]


def _check_writable(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"site.toml: state: cannot make {directory}: {error.strerror}") from error
    if not os.access(directory, os.W_OK):
        raise InputError(f"site.toml: state: cannot write to {directory}")


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
