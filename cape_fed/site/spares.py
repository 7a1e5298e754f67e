"""One process in reserve, so that a message does not wait for Python to load PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from cape_fed.site import spare

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
COMMAND = (sys.executable, "-P", str(Path(spare.__file__)), *LIBRARIES)


class Spares:
    """What Flower's executor uses of the module ``subprocess``."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        """``command`` starts a process that waits for a command line on its standard input."""
        self.command = tuple(command)
        self._spare: subprocess.Popen[str] | None = None

    def Popen(self, command: list[str], **others: Any) -> subprocess.Popen[Any]:  # noqa: N802
        """Start a command; where it is a ClientApp's, have the process in reserve do it and start another."""
        if command[0] != CLIENTAPP:
            return subprocess.Popen(command, **others)
        process = self._spare
        if process is None or not _tell(process, command):
            process = self._start()
            _tell(process, command)
        self._spare = self._start()
        return process

    def rest(self) -> None:
        """Let the process in reserve end, which holds memory: there is no message for long."""
        if self._spare is not None:
            _stdin(self._spare).close()
            self._spare.wait()
            self._spare = None

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command, stdin=subprocess.PIPE, text=True)


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
