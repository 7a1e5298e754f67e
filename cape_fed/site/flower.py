"""What a site rests on within Flower without Flower promising it; a test holds it against the installed one.

The names that are replaced or called here are private to Flower; `check_flower` says before a SuperNode starts whether
they are still there. Error codes of Flower's are in `cape_fed.federation.failures`.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import version
from time import sleep
from types import ModuleType

from cape_fed.errors import InputError

LOOP = "flwr.supernode.start_client_internal"
"""Module with the loop in which a SuperNode pulls messages and sends replies."""
CLI = "flwr.supernode.cli"
SUPEREXEC = "flower-superexec"
"""The command by which the loop starts the process that starts ClientApps."""
POLL = 0.5
"""Seconds between looks for a message. Flower's own are 3, which a round of short steps would mostly consist of."""


def run_supernode(arguments: Sequence[str]) -> None:
    """Run Flower's SuperNode in this process until it is stopped, with its loop mended."""
    check_flower()
    mend_the_loop()
    sys.argv = ["flower-supernode", *arguments]
    importlib.import_module(CLI).flower_supernode()


def check_flower() -> None:
    """InputError where the installed Flower has not the names that this module replaces, used where they are known."""
    loop = importlib.import_module(LOOP)
    for function, names in {
        "start_client_internal": ("_pull_and_store_message", "_push_messages", "time", "subprocess"),
        "_push_messages": ("time",),
    }.items():
        if missing := set(names) - set(_names_used(loop, function)):
            raise InputError(
                f"Flower {version('flwr')} is not known here ({function} does not use {min(missing)}): "
                "install the version that this release of cape-fed names"
            )


def mend_the_loop() -> None:
    """Shorten the pauses of Flower's loop over messages, which has no setting for them; end when its SuperExec ends.

    A SuperNode whose SuperExec has died stays online and never serves a message again.
    """
    vars(importlib.import_module(LOOP)).update(time=Clock, subprocess=Children)


class Clock:
    """What the loop uses of the module ``time``."""

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep for a fifth of the time, and no longer than `POLL`."""
        sleep(min(seconds / 5, POLL))  # 3 s for a message, 0.5 s for a reply of this machine


class Children:
    """What the loop uses of the module ``subprocess``."""

    @staticmethod
    def Popen(command: list[str]) -> subprocess.Popen[bytes]:  # noqa: N802
        """Start the SuperExec; this process ends when it does."""
        child = subprocess.Popen(command)
        threading.Thread(target=_end_with, args=(child,), daemon=True).start()
        return child


def _end_with(child: subprocess.Popen[bytes]) -> None:
    code = child.wait()
    print(f"cape-fed: Flower's SuperExec ended with {code}: this site ends too", file=sys.stderr, flush=True)
    os._exit(1)


def _names_used(module: ModuleType, function: str) -> tuple[str, ...]:
    """Global names that a function of a module uses; none where there is no such function."""
    code = getattr(getattr(module, function, None), "__code__", None)
    return code.co_names if code else ()
