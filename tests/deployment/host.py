"""The machine on which a deployment runs: its environment, the programs started in it, their logs, waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tests.deployment.processes import Found, Process, processes, signal_all

T = TypeVar("T")

BIN = Path(sys.executable).parent
KEPT = ("LANG", "LC_ALL", "TZ", "TMPDIR")
"""Variables of the environment that programs of a deployment may see."""
SETTINGS = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "NO_PROXY": "*",
    "no_proxy": "*",
    "PYTHONUNBUFFERED": "1",
    "OMP_NUM_THREADS": "1",
}


class DeploymentError(AssertionError):
    """A deployment did not do what a test waited for; the message ends with the last lines of all logs."""


class Host:
    """Programs in ``folder``, with a clean environment and a log file each.

    ``prefix`` starts every command of the coordinator, for example in a network namespace (see ``network.py``).
    """

    def __init__(self, folder: Path, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.prefix = tuple(prefix)
        self.work = folder / "work"
        self.flower_home = folder / "flwr"
        for path in (self.work, self.flower_home, folder / "logs"):
            path.mkdir(parents=True, exist_ok=True)
        self.env = {
            **{key: value for key, value in os.environ.items() if key in KEPT},
            **SETTINGS,
            "PATH": os.pathsep.join([str(BIN), os.defpath, "/usr/sbin", "/sbin"]),
            "HOME": str(folder),
            "FLWR_HOME": str(self.flower_home),
        }
        self.marker = f"FLWR_HOME={self.flower_home}"
        self.slowness = 1.0
        """How many times slower than an idle one the machine is, by how long programs took to start."""
        self._started: list[Process] = []
        self._commands = 0

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> Process:
        """Start a program with the log file ``logs/NAME.log``."""
        log = self.folder / "logs" / f"{name}.log"
        process = Process(name, [*prefix, *_located(command)], log, cwd=self.work, env=self.env | dict(env or {}))
        self._started.append(process)
        return process

    def start_cli(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        """Start ``flwr ...`` or ``cape-fed ...`` at the coordinator and return without waiting for its end."""
        self._commands += 1
        name = f"cli-{self._commands}-{Path(command[0]).name}"
        return self.start(name, command, env=env, prefix=self.prefix)

    def run_cli(
        self, command: Sequence[str], timeout: float = 60, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``flwr ...`` or ``cape-fed ...`` at the coordinator to its end; after ``timeout`` s it is killed.

        On a slow machine it has longer, see `slowness`.
        """
        timeout *= self.slowness
        with subprocess.Popen(
            [*self.prefix, *_located(command)],
            env=self.env | dict(env or {}),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as popen:
            try:
                output, errors = popen.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(popen.pid, signal.SIGKILL)
                output, errors = popen.communicate()
                text = f"{' '.join(command)} took over {timeout} s\n{output}{errors}\n{self.tails()}"
                raise DeploymentError(text) from None
        return subprocess.CompletedProcess(list(command), popen.returncode, output, errors)

    def processes(self, owner: Process | None = None, command: str = "") -> list[Found]:
        """Running processes: all, or those of ``owner``, or those with ``command`` in their command line."""
        return [found for found in processes((owner or self).marker) if command in found.command]

    def wait_for(self, predicate: Callable[[], T], seconds: float, what: str, *, every: float = 0.1) -> T:
        """Call ``predicate`` until it returns something true and return that; DeploymentError after ``seconds``.

        On a slow machine it has longer, see `slowness`.
        """
        begin = time.monotonic()
        while not (value := predicate()):
            if time.monotonic() > begin + seconds * self.slowness:
                raise DeploymentError(f"waited {seconds * self.slowness:.3g} s for: {what}\n{self.tails()}")
            time.sleep(every)
        return value

    def started_in(self, seconds: float, usual: float) -> None:
        """A program was ready after ``seconds``, for which an idle machine takes no more than ``usual``."""
        self.slowness = max(self.slowness, seconds / usual)

    def logs(self) -> dict[str, Path]:
        """The log file of every process, by its name."""
        return {path.stem: path for path in sorted((self.folder / "logs").glob("*.log"))}

    def tails(self, lines: int = 25) -> str:
        """The last lines of every log, for an error message."""
        parts = []
        for name, path in self.logs().items():
            last = path.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {name}", *last]))
        return "\n".join(parts)

    def close(self) -> None:
        """Kill every process that was started here and make sure that none is left."""
        for process in reversed(self._started):
            process.kill()
            with suppress(ProcessLookupError):  # nginx writes its title over the marker in its environment
                os.killpg(process.pid, signal.SIGKILL)
        end = time.monotonic() + 10
        while signal_all(self.marker, signal.SIGKILL):
            if time.monotonic() > end:
                raise DeploymentError(f"left running: {self.processes()}")
            time.sleep(0.05)


def _located(command: Sequence[str]) -> list[str]:
    """The command with the path of its program, where the virtual environment of the tests has it."""
    program = BIN / command[0]
    return [str(program) if program.exists() else command[0], *command[1:]]
