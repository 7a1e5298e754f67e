"""Processes of a deployment: started with a log file, found by a label, signalled together with their children."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

LABEL = "CAPE_FED_TEST_PROCESS"
"""Environment variable that a process passes on to all that it starts."""


@dataclass(frozen=True)
class Found:
    """A running process of a deployment, as /proc describes it."""

    pid: int
    command: str


def processes(marker: str) -> list[Found]:
    """Running processes, zombies excluded, whose environment holds the line ``marker``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if marker.encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it has ended meanwhile, or belongs to another user
            continue
        if state not in "ZX":
            found.append(Found(int(entry.name), command))
    return found


def signal_all(marker: str, number: int, command: str = "") -> list[int]:
    """Send a signal to the processes with ``marker`` and with ``command`` in their command line; return their ids."""
    pids = [found.pid for found in processes(marker) if command in found.command]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return pids


class Process:
    """A process with a session and a log file of its own; every process that it starts inherits its ``marker``.

    Sessions or process groups would not find the children: the SuperLink starts its SuperExec in another session.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, *, cwd: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self.offset = log.stat().st_size if log.exists() else 0
        label = f"{name}-{uuid4().hex}"
        self.marker = f"{LABEL}={label}"
        with log.open("ab") as stream:
            self.popen = subprocess.Popen(
                command,
                cwd=cwd,
                env={**env, LABEL: label},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self.popen.poll()

    def output(self) -> str:
        """What this process and its children have written since it started, without colours."""
        with self.log.open("rb") as stream:
            stream.seek(self.offset)
            return re.sub(r"\x1b\[[0-9;]*m", "", stream.read().decode(errors="replace"))

    def kill(self, number: int = signal.SIGKILL, *, group: bool = True, seconds: float = 10) -> int:
        """Send a signal to it, by default also to all that it has started, wait for its end and return its exit status.

        Waiting reaps the process: Flower's children take a parent that is a zombie for a running one.
        """
        others = [found.pid for found in processes(self.marker) if found.pid != self.pid] if group else []
        self.popen.send_signal(number)
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return self.popen.wait(seconds)
