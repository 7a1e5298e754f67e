"""From a site to the cage of its apps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.logs import LOG_FILE
from cape_fed.monitoring.activity import ACTIVITY_FILE, ACTIVITY_LOCK
from cape_fed.site import audit
from cape_fed.site.cage.bounds import Bounds
from cape_fed.site.cage.bubblewrap import why_not
from cape_fed.site.cage.launch import run_caged
from cape_fed.site.config import LEDGER, SiteConfig
from cape_fed.site.daily import LOCK_FILE, ROUNDS_FILE

GPU = ("nvidia*", "dri", "kfd")
"""Devices under /dev."""
GIB = 1 << 30
NOTES = (LOG_FILE, ACTIVITY_FILE, ACTIVITY_LOCK, ROUNDS_FILE, LOCK_FILE)
"""Files in a site's state that an app writes to, beside those of its run, the audit log and the ledger."""


def make_cage(site: SiteConfig, runtime: Path) -> Bounds | None:
    """The bounds of a site's apps, saved in ``runtime``; None where site.toml wants no cage, or there can be none.

    InputError where site.toml requires one and there can be none.
    """
    if site.cage.kind == "none":
        return None
    bounds = bounds_of(site, runtime)
    bounds.empty.mkdir()
    bounds.save()
    reason = why_not() or ("the GPU cannot be used in it" if bounds.devices and _loses_the_gpu(bounds) else None)
    if reason is None:
        return bounds
    if site.cage.kind == "bubblewrap":
        raise InputError(f"site.toml: cage.kind: {reason}")
    print(f"cape-fed: apps run without a cage: {reason}", file=sys.stderr, flush=True)
    return None


def _loses_the_gpu(bounds: Bounds) -> bool:
    """Whether PyTorch finds a GPU on this machine and none in the cage."""
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    if subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    return run_caged(bounds.without_files(), [sys.executable, "-c", code], quiet=True) != 0


def bounds_of(site: SiteConfig, runtime: Path) -> Bounds:
    """What apps of a site get of the machine; files that they write to are made where there are none."""
    site.state.mkdir(parents=True, exist_ok=True)
    gpu = [str(path) for pattern in GPU for path in sorted(Path("/dev").glob(pattern))] if site.device != "cpu" else []
    written = (*audit.log_files(site), site.audit_head_file, site.state / LEDGER, site.ledger_head_file)
    memory = int(site.cage.memory_gb * GIB) if site.cage.memory_gb else _machine_memory() * 3 // 4
    return Bounds(
        read=tuple(str(store.resolve()) for store in site.stores),
        state=str(site.state.resolve()),
        files=tuple(str(path.resolve()) for path in written),
        notes=tuple(str(site.state.resolve() / name) for name in NOTES),
        devices=tuple(gpu),
        runtime=str(runtime),
        memory=memory,
        processes=site.cage.processes,
    )


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
