"""Tries what a cage holds: a program in it attempts what no app should be able to do."""

from __future__ import annotations

import json
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from cape_fed.site.cage import probe
from cape_fed.site.cage.bounds import Bounds
from cape_fed.site.cage.launch import environment, run_caged
from cape_fed.site.warmth import WarmProcess

FEW, LITTLE = 100, 300 << 20
"""Processes and bytes of memory that the trial allows, so that it need not fill the machine."""


def breaches(bounds: Bounds, *, read: Sequence[Path], write: Sequence[Path], entering: bool = True) -> list[str]:
    """What a program in the cage could do of what it should not; nothing where the cage holds.

    It tries to read ``read`` (files, or folders with something in them), to write into the folders ``write``, to reach
    a port of this machine and one elsewhere, to see other processes, and to start and use more than it may. It enters
    the cage as apps do where that works, unless it begins in it (``entering`` is false).
    """
    small = replace(bounds, processes=FEW, memory=LITTLE)
    with _warm(bounds) if entering else nullcontext() as warm:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            asked = {"read": [*map(str, read)], "write": [*map(str, write)], "address": listener.getsockname()}
            found = _ask(bounds, warm, json.dumps(asked))
        started, eaten = _ask(small, warm, "fork", str(3 * FEW)), _ask(small, warm, "eat", str(3 * LITTLE))
    left = {f"write:{folder}" for folder in write if _was_left(folder)}
    return [
        *(
            ["nothing could be tried"]
            if found is None
            else [_words(name) for name in found if not name.startswith("write:") or name in left]
        ),
        *(["start processes without end"] if started is not None and started >= FEW else []),
        *(["use memory without end"] if eaten is not None and eaten > LITTLE else []),
    ]


@contextmanager
def _warm(bounds: Bounds) -> Iterator[Path]:
    """A process that forks what enters the cage; it has loaded nothing."""
    process = WarmProcess(bounds.warm, environment())
    process.libraries = ()
    process.start()
    try:
        yield process.path
    finally:
        process.stop()


def _was_left(folder: Path) -> bool:
    """Whether the probe wrote into this very folder, and not into one of the cage's own in its place; then tidy up."""
    file = folder / probe.LEFT
    found = file.exists()
    file.unlink(missing_ok=True)
    return found


def _ask(bounds: Bounds, warm: Path | None, *arguments: str) -> Any:
    """What the probe printed; None where it was ended before."""
    command = [sys.executable, "-I", "-c", Path(probe.__file__).read_text(), *arguments]
    with tempfile.TemporaryFile() as output:
        run_caged(bounds, command, warm=warm, output=output, quiet=True)
        output.seek(0)
        said = output.read()
    return json.loads(said) if said.strip() else None


def _words(name: str) -> str:
    what, _, path = name.partition(":")
    named = {"tcp": "reach a port of this machine", "udp": "send to other machines", "see": "see other processes"}
    return named.get(what, f"{what} {path}")
