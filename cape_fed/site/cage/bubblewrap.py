"""A cage by bubblewrap: namespaces of its own for files, processes, network and users."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cape_fed.site.cage.apps import app_in_hand
from cape_fed.site.cage.bounds import Bounds

SOCKET = "/run/supernode"
"""Where the way to the SuperNode is in the cage."""
HOME = "/run/flwr"
"""Where Flower unpacks the app, a new place for every message: empty, or with the approved app laid out to be read."""
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf",
          "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/passwd", "/etc/group",
          "/sys/devices/system/cpu", "/sys/devices/system/node")  # fmt: skip
"""What Python and PyTorch need of the system; PyTorch chooses its kernels by what it reads of the processor."""
SCRATCH_BYTES = 1 << 30
"""Size of each of the app's temporary places, which are memory."""


def program() -> str | None:
    """Where bubblewrap is, or None."""
    return shutil.which("bwrap")


def why_not() -> str | None:
    """Why bubblewrap makes no cage on this machine; None where it does."""
    found = program()
    if found is None:
        return "bubblewrap is not installed"
    command = [found, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return None if done.returncode == 0 else f"bubblewrap does not work here: {done.stderr.strip()[:200]}"


def caged(bounds: Bounds, run: str, socket: Path | None, command: Sequence[str]) -> list[str]:
    """The command that runs ``command`` within the bounds, for a message of ``run``.

    ``socket`` leads to the SuperNode. Mounts are made in this order: a later one covers an earlier one.
    """
    return [
        program() or "bwrap",
        *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "cage"),
        *("--proc", "/proc", "--dev", "/dev", "--size", str(SCRATCH_BYTES), "--tmpfs", "/dev/shm"),
        *("--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp", "--size", str(SCRATCH_BYTES), "--tmpfs", HOME),
        *_mounts(bounds, run, socket),
        *("--remount-ro", "/", "--remount-ro", "/dev", "--chdir", "/tmp", "--", *command),
    ]


def _mounts(bounds: Bounds, run: str, socket: Path | None) -> Iterator[str]:
    for path in (*SYSTEM, *_pythons()):
        yield from ("--ro-bind-try", path, path)
    for path in bounds.read:
        yield from ("--ro-bind", path, path)
    for path in bounds.devices:
        yield from ("--dev-bind-try", path, path)
    if bounds.devices:
        yield from ("--ro-bind-try", "/sys", "/sys")
    yield from ("--ro-bind", bounds.state, bounds.state)
    written = (*bounds.files, *bounds.notes, *([f"{bounds.state}/{run}"] if run else []))
    for path in written:
        yield from ("--bind", path, path)
    for hidden in bounds.hidden(run):
        yield from ("--ro-bind", str(bounds.empty), str(hidden))
    if app := app_in_hand(Path(bounds.runtime)):
        yield from ("--ro-bind", str(app), f"{HOME}/apps/{app.name}")
    if socket is not None:
        yield from ("--bind", str(socket), SOCKET)


def _pythons() -> list[str]:
    """The installation of Python, and the virtual environment in it."""
    return list(dict.fromkeys((sys.base_prefix, sys.prefix)))
