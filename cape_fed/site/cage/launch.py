"""A process in a cage, watched from outside it: it ends with the process that started this one.

``python -m cape_fed.site.cage.launch BOUNDS PORT RUN COMMAND...``
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from cape_fed.logs import LOG_FILE
from cape_fed.site import spare
from cape_fed.site.cage import inside
from cape_fed.site.cage.bounds import Bounds
from cape_fed.site.cage.bubblewrap import HOME, SOCKET, caged

INSIDE, SPARE = "/run/inside.py", "/run/spare.py"
"""Where in a cage the scripts are with which a process in it begins."""
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
_PDEATHSIG = 1


def launched(bounds: Bounds, port: int, run: str, command: Sequence[str]) -> list[str]:
    """The command that runs another one in a cage for messages of ``run``, with a way to this machine's ``port``."""
    return [sys.executable, "-P", "-m", __name__, str(bounds.file), str(port), run, *command]


def main() -> int:
    """Run what the arguments say in its cage; its exit code."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # bubblewrap in turn ends with this process
    return run_caged(Bounds.load(Path(sys.argv[1])), sys.argv[4:], port=int(sys.argv[2]), run=sys.argv[3])


def run_caged(
    bounds: Bounds,
    command: Sequence[str],
    *,
    port: int = 0,
    run: str = "",
    output: IO[bytes] | None = None,
    quiet: bool = False,
) -> int:
    """Run a command within bounds, with a way to ``port`` of this machine's loopback alone; its exit code.

    -9 where it used more than its bounds allow. ``output`` gets what it writes; ``quiet`` leaves
    its errors, and its end, untold.
    """
    with tempfile.TemporaryDirectory(dir=bounds.runtime) as scratch:
        way = _open_way(Path(scratch) / "socket", port) if port else None
        limits = (str(port), str(bounds.memory), str(bounds.processes))
        scripts = [*("--ro-bind", str(inside.__file__), INSIDE), *("--ro-bind", str(spare.__file__), SPARE)]
        inner = [sys.executable, "-I", INSIDE, SOCKET, *limits, *command]
        full = caged(bounds, run, way, inner)
        full[1:1] = scripts
        errors = subprocess.DEVNULL if quiet else None
        return watch(subprocess.Popen(full, env=environment(), stdout=output, stderr=errors), bounds, quiet)


def environment() -> dict[str, str]:
    """The environment of an app: none of the site's secrets or paths."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name.startswith(KEPT) or name in ("LANG", "TZ")) and name not in LEFT_OUT
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    return {**kept, "PATH": path, "HOME": "/tmp", "TMPDIR": "/tmp", "FLWR_HOME": HOME, "NO_PROXY": "*"}


def watch(child: subprocess.Popen[bytes], bounds: Bounds, quiet: bool = False) -> int:
    """Wait for the end of a cage, and end it where all that is in it uses more than its bounds allow."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(LOOK)
        memory, tasks = usage(child.pid)
        for what, used, most in (("bytes of memory", memory, bounds.memory), ("processes", tasks, bounds.processes)):
            if used > most:
                child.kill()
                if not quiet:
                    _say(bounds, f"the app used {used} {what}, more than the {most} that it may, and was ended")


def _say(bounds: Bounds, text: str) -> None:
    """Tell the site's log and the terminal of its service."""
    print(f"cape-fed: {text}", file=sys.stderr, flush=True)
    with (Path(bounds.state) / LOG_FILE).open("a") as log:
        log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S},000 ERROR cape_fed.site.cage {text}\n")


def usage(pid: int) -> tuple[int, int]:
    """Bytes of memory of its own, and processes with threads, of a process and all that it started."""
    memory = tasks = 0
    waiting = [pid]
    while waiting:
        folder = Path("/proc") / str(waiting.pop())
        with suppress(OSError):
            for line in (folder / "status").read_text().splitlines():
                name, _, value = line.partition(":")
                memory += 1024 * int(value.split()[0]) if name in ("RssAnon", "RssShmem") else 0
                tasks += int(value) if name == "Threads" else 0
            for children in (folder / "task").glob("*/children"):
                waiting += [int(child) for child in children.read_text().split()]
    return memory, tasks


def _open_way(path: Path, port: int) -> Path:
    """A socket file that leads to a port of this machine's loopback, as long as this process lives."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    target = lambda: socket.create_connection(("127.0.0.1", port))  # noqa: E731
    threading.Thread(target=inside.relay, args=(listener, target), daemon=True).start()
    return path


if __name__ == "__main__":
    sys.exit(main())
