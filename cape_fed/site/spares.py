"""One process in reserve, so that a message does not wait for Python to load PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from cape_fed.site import spare
from cape_fed.site.cage.bounds import Bounds
from cape_fed.site.cage.launch import SPARE, launched

MODULE = "flwr.supercore.superexec.executor.subprocess_executor"
"""Flower's module that starts a process for every message."""
CLIENTAPP = "flwr-clientapp"
"""The command by which it does so."""
LIBRARIES = (
    "flwr.supernode.runtime.run_clientapp",
    "torch",
    "torch._dynamo",  # every optimiser of PyTorch loads it
    "pyarrow.parquet",
    "safetensors.torch",
)
"""What every ClientApp loads and no app brings with it."""
ADDRESS, PARENT = "--runtime-api-address", "--parent-pid"
"""Options of that command; in a cage there is no process of the parent's number, and the cage ends with it anyway."""
RUN_SECONDS = 20.0
"""How long it may take until it is known which run a message is of: Flower gives a ClientApp 30 s to call back."""
FIRST = (sys.executable, "-P", str(Path(spare.__file__)))
"""Starts a process for a message that is there already: Flower does not wait for long until it calls back."""
COMMAND = (*FIRST, *LIBRARIES)


class Spares:
    """What Flower's executor uses of the module ``subprocess``."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self, command: Sequence[str] = COMMAND, first: Sequence[str] | None = None) -> None:
        """Commands that start a process that waits for a command line on its standard input.

        ``command`` loads libraries before it does; ``first`` does not wait for them, and is the same one if left out.
        """
        self.command = tuple(command)
        self.first = tuple(first or command)
        self._spare: subprocess.Popen[str] | None = None

    def Popen(self, command: list[str], **others: Any) -> subprocess.Popen[Any]:  # noqa: N802
        """Start a command; where it is a ClientApp's, have the process in reserve do it and start another."""
        if command[0] != CLIENTAPP:
            return subprocess.Popen(command, **others)
        process = self._spare
        if process is None or not _tell(process, command):
            process = _start(self.first)
            _tell(process, command)
        self._spare = _start(self.command)
        return process

    def rest(self) -> None:
        """Let the process in reserve end, which holds memory: there is no message for long."""
        if self._spare is not None:
            _stdin(self._spare).close()
            self._spare.wait()
            self._spare = None


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, text=True)


def _tell(process: subprocess.Popen[str], command: list[str]) -> bool:
    """Whether a process was there to be told its command line."""
    if process.poll() is not None:
        return False
    try:
        with _stdin(process) as pipe:
            pipe.write(json.dumps(command) + "\n")
    except OSError:  # it ended just now, as by the kernel when memory is short
        return False
    return True


def _stdin(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdin is not None
    return process.stdin


class CagedSpares(Spares):
    """The same with every process in a cage, which shows the state of one run: a message of another needs another one.

    Nothing but ClientApps is started.
    """

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self.bounds = bounds
        self._run = ""

    def Popen(self, command: list[str], **others: Any) -> subprocess.Popen[Any]:  # noqa: N802
        """Start a ClientApp; PermissionError where it is another command."""
        if command[0] != CLIENTAPP:
            raise PermissionError(f"{command[0]} is not started: only {CLIENTAPP} is")
        run = self.bounds.run(RUN_SECONDS)
        if run != self._run:
            self.rest()
        self._run = run
        port = int(command[command.index(ADDRESS) + 1].rpartition(":")[2])
        inner = (sys.executable, "-P", SPARE)
        self.first = tuple(launched(self.bounds, port, run, inner))
        self.command = (*self.first, *LIBRARIES)
        return super().Popen(_without(command, PARENT))

    def rest(self) -> None:
        """End the process in reserve; it may still be loading."""
        if self._spare is not None:
            self._spare.kill()
        super().rest()


def _without(command: list[str], option: str) -> list[str]:
    """A command without an option and its value."""
    place = command.index(option) if option in command else len(command)
    return [*command[:place], *command[place + 2 :]]
