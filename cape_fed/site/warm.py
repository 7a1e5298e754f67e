"""A process that has loaded what every ClientApp loads, and forks for each message: nobody waits for Python to do that.

Run as a script with the id of the process that it ends with, the descriptor of a listening socket and the modules to
load as arguments. Of this project nothing may be loaded here, since an app brings its own. Who connects sends a line of
JSON (`Order`) with descriptors for standard output and errors, and gets lines back: that a process begins, or why none
does, and with which exit code it ended.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

PATIENCE = 5.0
"""Seconds that a message waits for the loading: Flower takes an app that has not called back within 30 s for lost."""
NOT_ALONE = 3
"""Exit code where other threads run here, so that a fork would not be safe."""
NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x02000000
"""Of users, files, processes, network, communication, names and control groups: all that a cage has of its own."""
TRANSFER, PULLS, BACKOFF, SOON = (
    "flwr.supercore.inflatable.inflatable_utils",
    ("pull_objects", "pull_and_inflate_object_from_tree"),
    "initial_backoff",
    0.05,
)
"""Of Flower's, and how it is changed, as in `cape_fed.federation.transfer`."""
RUN, INSTALL = "flwr.supernode.runtime.run_clientapp", "install_from_fab"
"""Flower's module that runs a ClientApp, and its function that unpacks the app."""
_LONGEST = 1 << 16
_PDEATHSIG, _DUMPABLE, _DROP_BOUND, _NO_NEW_PRIVILEGES = 1, 4, 24, 38
_CAPABILITIES_V3 = 0x20080522

Order = dict[str, Any]
"""``command``; of a cage also the id of a process in it (``cage``), ``environment``, ``memory`` and ``processes``."""


def main() -> None:
    """Load the modules and serve whoever connects until this process is ended; in a fork, do what was asked for."""
    _libc().prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("cape-fed: whoever started this process is gone")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process ends it
    perform(serve(socket.socket(fileno=int(sys.argv[2])), sys.argv[3:]))


def serve(listener: socket.socket, modules: Sequence[str]) -> Order:
    """Return in a fork only, with what it is to do; exit with `NOT_ALONE` where forks would not be safe."""
    since: float | None = None
    for name in modules:
        since = (since or monotonic()) if _is_asked(listener, 0) else None
        if since is not None and monotonic() - since > PATIENCE and (order := _hand_over(listener)):
            return order
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else every collection in a fork goes through all that is loaded, and copies its memory by that
    if not _is_alone():
        print("cape-fed: a library has started threads: every message loads all of them", file=sys.stderr, flush=True)
        sys.exit(NOT_ALONE)
    while True:
        if _is_asked(listener, None) and (order := _hand_over(listener)):
            return order


def _is_asked(listener: socket.socket, seconds: float | None) -> bool:
    return bool(select.select([listener], [], [], seconds)[0])


def _is_alone() -> bool:
    """Whether this process has one thread after a fork, by which OpenBLAS ends those that it keeps for later."""
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return len(list(Path("/proc/self/task").iterdir())) == 1


def _hand_over(listener: socket.socket) -> Order | None:
    """Fork for who has connected: what is to be done, in the process that is to do it; None in this one."""
    connection, _ = listener.accept()
    with connection:
        if os.fork() == 0:
            listener.close()
            return _keep(connection)
    with suppress(ChildProcessError):  # those that have ended meanwhile
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return None


def _keep(connection: socket.socket) -> Order:
    """Read the order, enter its cage, fork once more since only a child is in the cage's own processes, and watch it.

    Returns in that child.
    """
    try:
        text, descriptors, _, _ = socket.recv_fds(connection, _LONGEST, 2)
        order: Order = json.loads(text)
        if "cage" in order:
            _enter(order["cage"])
        _say(connection, process=os.getpid())  # fails where nobody waits for it any more
        if (child := os.fork()) == 0:
            connection.close()
            _settle(order, descriptors)
            return order
        for descriptor in descriptors:
            os.close(descriptor)
        _say(connection, code=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    except Exception as error:  # told to who asked, who then starts a process in another way
        with suppress(OSError):
            _say(connection, error=f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)


def _say(connection: socket.socket, **what: Any) -> None:
    connection.sendall(json.dumps(what).encode() + b"\n")


def _enter(process: int) -> None:
    """Move into all namespaces of a process; OSError where that is not possible."""
    _require(_libc().setns(os.pidfd_open(process), NAMESPACES))


def _settle(order: Order, descriptors: Sequence[int]) -> None:
    """Be a process like any other: with nothing of the one that it was forked from open, and in a cage without power.

    What draws at random draws anew; Python sees to its own generator.
    """
    for place, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, place)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if "cage" in order:
        os.setsid()
        os.chdir("/tmp")
        os.environ.clear()
        os.environ.update(order["environment"])
        bound(order["memory"], order["processes"])
        _drop_power()


def bound(memory: int, processes: int) -> None:
    """Bound this process and all that it starts."""
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_NPROC, processes),
    ):
        resource.setrlimit(what, (limit, limit))


def _drop_power() -> None:
    """Give up every capability for good: whoever enters a cage has all of them in it."""
    libc = _libc()
    _require(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    for capability in range(64):
        if libc.prctl(_DROP_BOUND, capability, 0, 0, 0) != 0:
            break  # it is none of this kernel's, as the numbers after it
    header, nothing = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)()
    _require(libc.capset(header, nothing))
    _require(libc.prctl(_DUMPABLE, 1, 0, 0, 0))  # what is its own in /proc is its own again


def _require(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def perform(order: Order) -> None:
    """Become the command; Flower's is run here, where what it needs is loaded."""
    command: list[str] = order["command"]
    if command[0] != "flwr-clientapp":
        os.execvp(command[0], command)
    sys.argv = command
    cli = importlib.import_module("flwr.supernode.cli")
    _look_again_soon()
    if "cage" in order:  # elsewhere an app could have written there
        _leave_what_is_laid_out()
    cli.flwr_clientapp()


def _look_again_soon() -> None:
    """As `cape_fed.federation.transfer` does it in other processes, which says why."""
    for name in PULLS:
        defaults = getattr(getattr(sys.modules.get(TRANSFER), name, None), "__kwdefaults__", None) or {}
        if BACKOFF in defaults:
            defaults[BACKOFF] = SOON


def _leave_what_is_laid_out() -> None:
    """Have Flower unpack no app that the site has laid out, read-only, in this cage."""
    module = sys.modules.get(RUN)
    if module is None or not hasattr(module, INSTALL):
        return
    install = getattr(module, INSTALL)

    def install_where_missing(content: bytes, *others: Any, **more: Any) -> object:
        beginning = hashlib.sha256(content).hexdigest()[:8]  # Flower's folders end with it
        found = [*Path(os.environ.get("FLWR_HOME", "/nowhere"), "apps").glob(f"*.{beginning}")]
        return found[0] if found else install(content, *others, **more)

    vars(module)[INSTALL] = install_where_missing


if __name__ == "__main__":
    main()
