"""How the SuperExec of a site starts the process of a message: forked from one that has loaded PyTorch already."""

from __future__ import annotations

import subprocess
import threading
from typing import Any

from cape_fed.site.cage.bounds import Bounds
from cape_fed.site.cage.launch import environment, run_caged, say
from cape_fed.site.warmth import WarmProcess, ask

MODULE = "flwr.supercore.superexec.executor.subprocess_executor"
"""Flower's module that starts a process for every message."""
CLIENTAPP = "flwr-clientapp"
"""The command by which it does so."""
ADDRESS, PARENT = "--runtime-api-address", "--parent-pid"
"""Options of that command; in a cage there is no process of the parent's number, and the cage ends with it anyway."""
RUN_SECONDS = 20.0
"""How long it may take until it is known which run a message is of: Flower gives a ClientApp 30 s to call back."""


class Forks:
    """What Flower's executor uses of the module ``subprocess``; nobody there looks at what `Popen` returns."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self, warm: WarmProcess) -> None:
        self.warm = warm

    def start(self) -> None:
        """Begin to load, before there is a message."""
        self.warm.start()

    def Popen(self, command: list[str], **others: Any) -> object:  # noqa: N802
        """Start a command; a ClientApp's in a fork, where there can be one."""
        if command[0] != CLIENTAPP:
            return subprocess.Popen(command, **others)
        self.warm.start()
        return ask(self.warm.path, {"command": command}) or subprocess.Popen(command)

    def rest(self) -> None:
        """Let go of the memory that the libraries take: there is no message for long."""
        self.warm.stop()


class CagedForks(Forks):
    """The same with every process in a cage of its own, which shows the state of one run. Only ClientApps start."""

    def __init__(self, bounds: Bounds) -> None:
        super().__init__(WarmProcess(bounds.warm, environment()))
        self.bounds = bounds

    def Popen(self, command: list[str], **others: Any) -> object:  # noqa: N802
        """Start a ClientApp; PermissionError where it is another command."""
        if command[0] != CLIENTAPP:
            raise PermissionError(f"{command[0]} is not started: only {CLIENTAPP} is")
        self.warm.start()
        port = int(command[command.index(ADDRESS) + 1].rpartition(":")[2])
        run = self.bounds.run(RUN_SECONDS)
        thread = threading.Thread(
            target=self._run, args=(_without(command, PARENT), port, run), name="cage", daemon=True
        )
        thread.start()
        return thread

    def _run(self, command: list[str], port: int, run: str) -> None:
        try:
            run_caged(self.bounds, command, port=port, run=run, warm=self.bounds.warm)
        except OSError as error:
            # Flower gives a message up whose process does not call back; the site's log has to say why it did not.
            say(self.bounds, f"an app could not be started: {error.strerror or error}")


def _without(command: list[str], option: str) -> list[str]:
    """A command without an option and its value."""
    place = command.index(option) if option in command else len(command)
    return [*command[:place], *command[place + 2 :]]
