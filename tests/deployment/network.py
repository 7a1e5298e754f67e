"""Hosts in network namespaces that can be cut off, slowed and made to lose packets; processes with another clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

COORDINATOR = "coordinator"
QUEUE = "50kb"  # what a shaped link holds back; more is dropped, as a router does
RATE = "10gbit"  # of a link that only loses packets


class NetworkError(RuntimeError):
    """A network namespace or a link could not be set up."""


class Network:
    """A coordinator and sites, each in its own network namespace with its own address, joined by a switch.

    The machine's own network stays outside: traffic flows between the hosts only.
    """

    def __init__(self, sites: Sequence[str], *, subnet: str = "10.77.0") -> None:
        self.hosts = (COORDINATOR, *sites)
        self.subnet = subnet
        self._token = uuid4().hex[:6]
        self._switch = f"cape{self._token}"

    def address(self, host: str) -> str:
        """The host's address: .1 for the coordinator, .2 and on for the sites."""
        return f"{self.subnet}.{self.hosts.index(host) + 1}"

    def prefix(self, host: str) -> tuple[str, ...]:
        """What starts a command in the host's namespace, under the process id that was started."""
        return ("ip", "netns", "exec", self._namespace(host))

    def __enter__(self) -> Self:
        try:
            _ip("netns", "add", self._switch)
            _ip("-n", self._switch, "link", "add", "bridge0", "type", "bridge")
            _ip("-n", self._switch, "link", "set", "bridge0", "up")
            for host in self.hosts:
                self._join(host)
        except NetworkError:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the namespaces; links and bridge go with them, once the processes in them have ended."""
        for namespace in (self._switch, *map(self._namespace, self.hosts)):
            with suppress(NetworkError):
                _ip("netns", "delete", namespace)

    def _join(self, host: str) -> None:
        namespace, port = self._namespace(host), self._port(host)
        _ip("netns", "add", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", self._switch)
        _ip("-n", namespace, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "gso_max_segs", "1")  # or queues would see bundles of 64 kB
        _ip("-n", namespace, "link", "set", "eth0", "up")
        _ip("-n", self._switch, "link", "set", port, "master", "bridge0")
        _ip("-n", self._switch, "link", "set", port, "up")

    def cut(self, host: str) -> None:
        """Pull the host's cable: packets vanish in both directions and neither side is told."""
        _ip("-n", self._switch, "link", "set", self._port(host), "nomaster")

    def restore(self, host: str) -> None:
        """Plug the host's cable in again."""
        _ip("-n", self._switch, "link", "set", self._port(host), "master", "bridge0")

    def shape(self, host: str, rate: str | None = None, loss: float = 0.0) -> None:
        """Limit the host's link to ``rate`` (as tc writes it: ``1mbit``) and lose a share of packets, each way.

        HTB gives the rate. The loss is a random draw in a classic BPF filter that sends packets to a class whose
        queue holds nothing: a kernel has both more often than netem.
        """
        self.unshape(host)
        for namespace, device in self._ends(host):
            _tc(namespace, "qdisc", "add", "dev", device, "root", "handle", "1:", "htb", "default", "10")
            root = ("dev", device, "parent", "1:")
            for classid, queue in (("1:10", ("bfifo", "limit", QUEUE)), ("1:20", ("pfifo", "limit", "0"))):
                _tc(namespace, "class", "add", *root, "classid", classid, "htb", "rate", rate or RATE, "burst", "15kb")
                _tc(namespace, "qdisc", "add", "dev", device, "parent", classid, *queue)
            if loss:
                rule = ("protocol", "all", "prio", "1", "bpf", "bytecode", _draw(loss), "flowid", "1:20")
                _tc(namespace, "filter", "add", *root, *rule)

    def unshape(self, host: str) -> None:
        """Give the host its full link again."""
        for namespace, device in self._ends(host):
            with suppress(NetworkError):  # it was not shaped
                _tc(namespace, "qdisc", "delete", "dev", device, "root")

    def _ends(self, host: str) -> tuple[tuple[str, str], tuple[str, str]]:
        """Namespace and device at both ends of the host's cable."""
        return (self._namespace(host), "eth0"), (self._switch, self._port(host))

    def _namespace(self, host: str) -> str:
        return f"{self._switch}-{self.hosts.index(host)}"

    def _port(self, host: str) -> str:
        return f"port{self.hosts.index(host)}"


def _draw(share: float) -> str:
    """A classic BPF program that matches a random share of packets: 4 instructions, as tc's ``bytecode`` has them."""
    random = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
    limit = round(share * 0xFFFFFFFF)
    return f"4,32 0 0 {random},37 1 0 {limit},6 0 0 4294967295,6 0 0 0"


def _ip(*arguments: str) -> None:
    _command("ip", *arguments)


def _tc(namespace: str, *arguments: str) -> None:
    _command("tc", "-n", namespace, *arguments)


def _command(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise NetworkError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


@cache
def available() -> str | None:
    """Why networks cannot be built here, or None."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    for program in ("ip", "tc"):
        if shutil.which(program) is None:
            return f"no {program}: install iproute2"
    try:
        with Network(["site"]) as network:
            network.shape("site", "1mbit", 0.02)
    except NetworkError as error:
        return f"network namespaces or traffic shaping are not allowed: {error}"
    return None


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long offset(void) { const char *text = getenv("TEST_CLOCK_OFFSET"); return text ? atol(text) : 0; }

int clock_gettime(clockid_t id, struct timespec *out) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, out);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) out->tv_sec += offset();
    return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void) zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
"""


def clock(folder: Path, seconds: int) -> dict[str, str]:
    """Environment of a process (and its children) whose clock is ``seconds`` from the machine's.

    A preloaded library shifts the time of day and nothing else. libfaketime 0.9.10 does not do here: it either
    shifts the monotonic clock too, and waits with a timeout hang, or ``time.sleep`` fails.
    """
    reason = clock_available()
    if reason:
        raise NetworkError(reason)
    source, library = folder / "clock.c", folder / "clock.so"
    if not library.exists():
        source.write_text(CLOCK)
        _command(_compiler(), "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl")
    return {"LD_PRELOAD": str(library), "TEST_CLOCK_OFFSET": str(seconds)}


def clock_available() -> str | None:
    """Why a process cannot be given another clock here, or None."""
    if not sys.platform.startswith("linux"):
        return "another clock is preloaded, which is written for Linux"
    return None if _compiler() else "another clock needs a C compiler"


def _compiler() -> str:
    return next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")
