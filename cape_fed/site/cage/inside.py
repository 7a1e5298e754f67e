"""Runs in a cage before the app: bounds it, brings the SuperNode's port in, and becomes the app or waits for its end.

The standard library alone: of this project nothing else is in the cage but what the run brings.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

BLOCK = 1 << 16
AT_ONCE = 32
"""Connections of a cage to its node; Flower needs a few."""
READY = b"ready"


def main() -> None:
    """``SOCKET PORT MEMORY PROCESSES CONTROL``; port 0 for no way to a SuperNode.

    On the descriptor CONTROL it says when the cage is there. A command in JSON that comes back is what it becomes;
    where the other end is closed instead, it ends, and the cage with all that has entered it.
    """
    path, port, memory, processes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    control = socket.socket(fileno=int(sys.argv[5]))
    os.set_inheritable(control.fileno(), False)
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_NPROC, processes),
    ):
        resource.setrlimit(what, (limit, limit))
    if port:
        listener = socket.create_server(("127.0.0.1", port))
        if os.fork() == 0:
            control.close()
            relay(listener, lambda: _connected(path))
        listener.close()
    control.sendall(READY)
    if order := control.makefile().readline():
        command = json.loads(order)
        os.execvp(command[0], command)


def relay(listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
    """Join every connection that comes in with one that ``connect`` makes, until ``listener`` is shut.

    `AT_ONCE` of them at a time; others wait to be let in, so that who opens many takes no more threads for it.
    """
    free = threading.BoundedSemaphore(AT_ONCE)
    while True:
        free.acquire()
        near, _ = listener.accept()
        try:
            far = connect()
        except OSError:
            near.close()
            free.release()
            continue
        threading.Thread(target=_join, args=(near, far, free), daemon=True).start()


def _join(near: socket.socket, far: socket.socket, free: threading.BoundedSemaphore) -> None:
    """Pass on what either side sends until both have ended."""
    try:
        with near, far:
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join()
    finally:
        free.release()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(BLOCK):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _connected(path: str) -> socket.socket:
    far = socket.socket(socket.AF_UNIX)
    far.connect(path)
    return far


if __name__ == "__main__":
    main()
