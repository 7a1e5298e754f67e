"""Approved apps laid out for the cages of their messages: unpacked and compiled once, and read-only there."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from cape_fed.federation.fab import App

CURRENT = "app"
"""File that names the app of the message in hand."""
LATER = 10
"""How nice the compiling is to everything else."""
COMPILER_BYTES, COMPILER_SECONDS = 2**31, 60
"""Of address space and of processor time, which no app needs and a bad one cannot go beyond."""


class LaidOut:
    """The apps of a site in the folder of its node's own. Nothing of them is run here."""

    def __init__(self, runtime: Path) -> None:
        self.folder = runtime / "apps"
        self.current = runtime / CURRENT
        self._names: dict[str, str] = {}

    def put(self, app: App, name: str) -> None:
        """Unpack an approved app into a folder with the ``name`` that Flower will look for, and begin to compile it.

        Where that cannot be, as on a full disk, every message does both for itself.
        """
        place = self.folder / name
        if self._names.get(app.hash) == name and place.is_dir():
            return
        if name in self._names.values():
            return  # Flower's names end with eight digits of the hash: another app has them, and its runs go on
        partial = place.with_name(f".{name}.partial")
        try:
            shutil.rmtree(partial, ignore_errors=True)
            for file, text in app.files.items():
                path = partial / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)
            shutil.rmtree(place, ignore_errors=True)
            partial.rename(place)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            return
        self._names[app.hash] = name
        threading.Thread(target=_compile, args=(place,), name="compile", daemon=True).start()

    def choose(self, digest: str) -> None:
        """Say that the message in hand is of the app with this hash."""
        with suppress(OSError):
            self.current.write_text(self._names.get(digest, ""))


def app_in_hand(runtime: Path) -> Path | None:
    """The app of the message in hand; None where it is not laid out."""
    with suppress(OSError):
        name = (runtime / CURRENT).read_text()
        if name and (runtime / "apps" / name).is_dir():
            return runtime / "apps" / name
    return None


def _compile(place: Path) -> None:
    """Put byte code beside every module; Python compares it with the hash of the source before it uses it.

    The first message of a run, which compiles for itself, comes before it.
    """
    options = ["-q", "-q", "--invalidation-mode", "checked-hash"]
    process = subprocess.Popen([sys.executable, "-I", "-m", "compileall", *options, str(place)])
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, LATER)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (COMPILER_BYTES, COMPILER_BYTES))
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (COMPILER_SECONDS, COMPILER_SECONDS))
    process.wait()
