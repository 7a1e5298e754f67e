"""Tries, from inside a cage, what an app should not be able to do, and prints what it could.

The standard library alone.

``python probe.py '{"read": [...], "write": [...], "address": ["127.0.0.1", PORT]}'``, or ``fork N``, or ``eat BYTES``.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

LEFT = ".cape-fed-probe"
"""File that a successful write leaves; whoever asked sees by it whether the folder was the real one."""


def main() -> None:
    """Try what the arguments say."""
    if sys.argv[1] == "fork":
        print(json.dumps(_fork(int(sys.argv[2]))))
    elif sys.argv[1] == "eat":
        print(json.dumps(_eat(int(sys.argv[2]))))
    else:
        print(json.dumps(sorted(_attempts(json.loads(sys.argv[1])))))


def _attempts(asked: Mapping[str, Any]) -> set[str]:
    """Names of the attempts that succeeded: ``read:PATH``, ``write:PATH``, ``tcp``, ``udp``, ``see:processes``."""
    host, port = asked["address"]
    tries: dict[str, Callable[[], object]] = {f"read:{path}": _reading(path) for path in asked["read"]}
    tries |= {f"write:{path}": _writing(path) for path in asked["write"]}
    tries["tcp"] = lambda: socket.create_connection((host, port), timeout=2)
    tries["udp"] = lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 53))
    tries["see:processes"] = _see_others
    return {name for name, attempt in tries.items() if _works(attempt)}


def _works(attempt: Callable[[], object]) -> bool:
    with suppress(OSError):
        attempt()
        return True
    return False


def _reading(path: str) -> Callable[[], object]:
    """A folder is read where anything is in it: in a cage an empty one may stand in its place."""

    def attempt() -> None:
        if not Path(path).is_dir():
            Path(path).read_bytes()
        elif not any(Path(path).iterdir()):
            raise OSError("nothing is here")

    return attempt


def _writing(folder: str) -> Callable[[], object]:
    def attempt() -> None:
        (Path(folder) / LEFT).write_text("x")

    return attempt


def _see_others() -> None:
    """OSError unless there are processes that are none of the cage's, which are at most four."""
    if sum(path.name.isdigit() for path in Path("/proc").iterdir()) < 5:
        raise OSError("nobody else is here")


def _fork(most: int) -> int:
    """How many processes could be started, up to ``most``, and live for long enough to be noticed."""
    for count in range(most):
        try:
            child = os.fork()
        except OSError:
            return count
        if child == 0:
            time.sleep(60)
            os._exit(0)
    time.sleep(2)
    return most


def _eat(size: int) -> int:
    """How many bytes could be taken and used, up to ``size``."""
    held: list[bytearray] = []
    block = 16 << 20
    while len(held) * block < size:
        try:
            held.append(bytearray(b"\1") * block)
        except MemoryError:
            break
        time.sleep(0.005)
    return len(held) * block


if __name__ == "__main__":
    main()
