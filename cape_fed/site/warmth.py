"""The process that forks for messages, seen from the one that keeps and asks it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from cape_fed.site import warm

LIBRARIES = (
    "flwr.supernode.runtime.run_clientapp",
    "flwr.supernode.cli",
    "torch",
    "torch._dynamo",  # every optimiser of PyTorch loads it
    "safetensors.torch",
    "pyarrow.compute",
    "pyarrow.parquet",
    "sqlite3",
)
"""What every ClientApp loads, and no app brings with it."""
NO_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Environment in which these start no thread: PyArrow's allocator would."""
ANSWER = 20.0
"""Seconds within which a process that is loading takes an order."""
_LONGEST = 1 << 16


class WarmProcess:
    """Keeps a process that has loaded the libraries; it ends with this one."""

    def __init__(self, path: Path, environment: Mapping[str, str] | None = None) -> None:
        """``path`` is its socket, in a folder that nobody else can read; ``environment`` is this process's own."""
        self.path = path
        self.environment = environment
        self.libraries: tuple[str, ...] = LIBRARIES
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it where it does not run, unless it has found that it is of no use here."""
        if self.process is not None and self.process.poll() in (None, warm.NOT_ALONE):
            return
        self.path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.path))
            listener.listen()
            descriptor, script = listener.fileno(), str(Path(warm.__file__))
            command = [sys.executable, "-P", script, str(os.getpid()), str(descriptor), *self.libraries]
            environment = {**(os.environ if self.environment is None else self.environment), **NO_THREADS}
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, pass_fds=(descriptor,))

    def stop(self) -> None:
        """End it; what was forked goes on."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Forked:
    """A process that was forked for an order."""

    def __init__(self, keeper: int, connection: socket.socket) -> None:
        """``keeper`` is the process whose child it is."""
        self.keeper = keeper
        self.connection = connection

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code, negative after a signal; TimeoutError where it has none after ``seconds``."""
        self.connection.settimeout(seconds)
        return int(_read(self.connection).get("code", -9))


def ask(path: Path, order: warm.Order, output: IO[Any] | int = 1, errors: IO[Any] | int = 2) -> Forked | None:
    """Have a process forked that does what an order says; None where none is there, or it cannot.

    ``output`` and ``errors`` take what it writes.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ANSWER)
        connection.connect(str(path))
        descriptors = [stream if isinstance(stream, int) else stream.fileno() for stream in (output, errors)]
        socket.send_fds(connection, [json.dumps(order).encode()], descriptors)
        answer = _read(connection)
    except OSError:  # it ended just now, as by the kernel when memory is short, or takes too long
        answer = {}
    if "process" not in answer:
        connection.close()
        return None
    return Forked(answer["process"], connection)


def _read(connection: socket.socket) -> dict[str, Any]:
    """The next line; empty where the other end is gone."""
    line = b""
    with suppress(ConnectionError):
        while not line.endswith(b"\n") and (part := connection.recv(1)):
            line += part
    found: dict[str, Any] = json.loads(line or b"{}")
    return found
