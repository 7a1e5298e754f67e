"""A process in a cage, watched from outside it."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from cape_fed.logs import LOG_FILE
from cape_fed.site.cage import inside
from cape_fed.site.cage.bounds import Bounds, run_folder
from cape_fed.site.cage.bubblewrap import HOME, SOCKET, caged
from cape_fed.site.warmth import Forked, ask

INSIDE = "/run/inside.py"
"""Where in a cage the script is with which its first process begins."""
LOOK = 0.5
"""Seconds between looks at what an app uses."""
KEPT = (
    "FLWR_",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "CUDA_",
    "NVIDIA_",
    "TORCH_",
    "PYTORCH_",
    "PYTHONHASH",
    "LC_",
    "CAPE_FED_",
)
"""Beginnings of the names of environment variables that an app gets, with LANG and TZ."""
LEFT_OUT = ("CAPE_FED_SALT_FILE",)
WAY = "way to the node"
"""Name of the thread that joins a cage with the SuperNode."""
_OUTPUT, _ERRORS = 1, 2
_CREDENTIALS = struct.Struct("3i")
"""What the kernel says of who sent a message: process, user, group."""


def run_caged(
    bounds: Bounds,
    command: Sequence[str],
    *,
    port: int = 0,
    run: str = "",
    warm: Path | None = None,
    output: IO[bytes] | None = None,
    quiet: bool = False,
) -> int:
    """Run a command within bounds, with a way to ``port`` of this machine's loopback alone; its exit code.

    The cage ends with the thread that runs this, at the latest: bubblewrap is told of no more than that.

    -9 where it used more than its bounds allow. Where the process with the socket ``warm`` can, it forks one that
    enters the cage. ``output`` gets what it writes; ``quiet`` leaves its errors, and its end, untold.
    """
    with (
        run_folder(bounds, run),
        tempfile.TemporaryDirectory(dir=bounds.runtime) as scratch,
        Path(os.devnull).open("w") as nowhere,
        _way(Path(scratch) / "socket", port) if port else nullcontext() as way,
    ):
        errors = nowhere.fileno() if quiet else _ERRORS
        near, far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        limits = (str(port), str(bounds.memory), str(bounds.processes))
        inner = [sys.executable, "-I", INSIDE, SOCKET, *limits, str(far.fileno())]
        full = caged(bounds, run, way, inner)
        full[1:1] = ["--ro-bind", str(inside.__file__), INSIDE]
        with near:
            with far:
                child = subprocess.Popen(
                    full, env=environment(), stdout=output, stderr=errors, pass_fds=(far.fileno(),)
                )
            forked = None
            if (first := _first_process(near)) is not None:
                forked = _enter(bounds, command, first, warm, output, errors) if warm else None
                if forked is None:
                    near.sendall(json.dumps(list(command)).encode() + b"\n")
            code = watch(child, bounds, quiet, forked)
        child.wait()
        return code


def _first_process(near: socket.socket) -> int | None:
    """The id, as it is here, of the first process in a cage, once it says that it is ready; None where it ended."""
    with suppress(ConnectionError):
        said, ancillary, _, _ = near.recvmsg(len(inside.READY), socket.CMSG_SPACE(_CREDENTIALS.size))
        if said == inside.READY:
            return int(_CREDENTIALS.unpack(ancillary[0][2])[0])
    return None


def _enter(
    bounds: Bounds, command: Sequence[str], first: int, warm: Path, output: IO[bytes] | None, errors: int
) -> Forked | None:
    order = {
        "command": list(command),
        "cage": first,
        "environment": environment(),
        "memory": bounds.memory,
        "processes": bounds.processes,
    }
    return ask(warm, order, output or _OUTPUT, errors)


def environment() -> dict[str, str]:
    """The environment of an app: none of the site's secrets or paths."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name.startswith(KEPT) or name in ("LANG", "TZ")) and name not in LEFT_OUT
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    return {**kept, "PATH": path, "HOME": "/tmp", "TMPDIR": "/tmp", "FLWR_HOME": HOME, "NO_PROXY": "*"}


def watch(child: subprocess.Popen[bytes], bounds: Bounds, quiet: bool = False, forked: Forked | None = None) -> int:
    """Wait for the end of what is in a cage, and end it where it uses more than its bounds allow; its exit code.

    ``child`` makes the cage; ``forked`` is what has entered it, without which ``child`` is all there is.
    """
    wait: Callable[[float], int] = forked.wait if forked else child.wait
    while True:
        with suppress(subprocess.TimeoutExpired, TimeoutError):
            return wait(LOOK)
        memory, tasks = usage(child.pid, *(children(forked.keeper) if forked else ()))
        for what, used, most in (("bytes of memory", memory, bounds.memory), ("processes", tasks, bounds.processes)):
            if used > most:
                child.kill()
                if not quiet:
                    say(bounds, f"the app used {used} {what}, more than the {most} that it may, and was ended")


def say(bounds: Bounds, text: str) -> None:
    """Tell the site's log and the terminal of its service."""
    print(f"cape-fed: {text}", file=sys.stderr, flush=True)
    with (Path(bounds.state) / LOG_FILE).open("a") as log:
        log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S},000 ERROR cape_fed.site.cage {text}\n")


def usage(*pids: int) -> tuple[int, int]:
    """Bytes of memory of their own, and processes with threads, of processes and all that they started."""
    memory = tasks = 0
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        with suppress(OSError):
            for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
                name, _, value = line.partition(":")
                memory += 1024 * int(value.split()[0]) if name in ("RssAnon", "RssShmem") else 0
                tasks += int(value) if name == "Threads" else 0
        waiting += children(pid)
    return memory, tasks


def children(pid: int) -> list[int]:
    """Ids of the processes that a process started."""
    found: list[int] = []
    with suppress(OSError):
        for file in (Path("/proc") / str(pid) / "task").glob("*/children"):
            found += [int(child) for child in file.read_text().split()]
    return found


@contextmanager
def _way(path: Path, port: int) -> Iterator[Path]:
    """A socket file that leads to a port of this machine's loopback."""

    def relay() -> None:
        with suppress(OSError):  # the way is closed
            inside.relay(listener, lambda: socket.create_connection(("127.0.0.1", port)))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=relay, name=WAY, daemon=True).start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread
