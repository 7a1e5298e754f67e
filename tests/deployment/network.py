"""Hosts in network namespaces, whose links can be cut, slowed down and made to lose packets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import Self
from uuid import uuid4

COORDINATOR = "coordinator"
QUEUE = "50kb"
"""How much a slowed link queues; it drops what is beyond that, as a router does."""
RATE = "10gbit"
"""Rate of a link that only loses packets."""


class NetworkError(RuntimeError):
    """A network namespace, a link or a clock could not be set up."""


class Network:
    """A coordinator and sites, each in its own network namespace with its own address, joined by a switch.

    The network of the machine is not part of it: traffic flows between these hosts only.
    """

    def __init__(self, sites: Sequence[str], *, subnet: str = "10.77.0") -> None:
        self.hosts = (COORDINATOR, *sites)
        self.subnet = subnet
        self._token = uuid4().hex[:6]
        self._switch = f"cape{self._token}"

    def address(self, host: str) -> str:
        """The address of a host: .1 is the coordinator, the sites follow from .2."""
        return f"{self.subnet}.{self.hosts.index(host) + 1}"

    def prefix(self, host: str) -> tuple[str, ...]:
        """What to put before a command to run it in a host's namespace; the command keeps the process id."""
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
        """Delete the namespaces. Links and bridge disappear with them once the processes inside have ended."""
        for namespace in (self._switch, *map(self._namespace, self.hosts)):
            with suppress(NetworkError):
                _ip("netns", "delete", namespace)

    def _join(self, host: str) -> None:
        namespace, port = self._namespace(host), self._port(host)
        _ip("netns", "add", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", self._switch)
        _ip("-n", namespace, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
        # Otherwise the queues would see bundles of 64 kB.
        _ip("-n", namespace, "link", "set", "eth0", "gso_max_segs", "1")
        _ip("-n", namespace, "link", "set", "eth0", "up")
        _ip("-n", self._switch, "link", "set", port, "master", "bridge0")
        _ip("-n", self._switch, "link", "set", port, "up")

    def cut(self, host: str) -> None:
        """Unplug a host: packets are lost in both directions and neither side is told."""
        _ip("-n", self._switch, "link", "set", self._port(host), "nomaster")

    def restore(self, host: str) -> None:
        """Plug a host in again."""
        _ip("-n", self._switch, "link", "set", self._port(host), "master", "bridge0")

    def shape(self, host: str, rate: str | None = None, loss: float = 0.0) -> None:
        """Limit a host's link to ``rate`` (in the notation of tc: ``1mbit``) and lose a share of its packets, each way.

        HTB limits the rate. A classic BPF filter draws the packets to lose at random and sends them to a class whose
        queue has no capacity. Kernels offer both more often than they offer netem.
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
        """Give a host its full link again."""
        for namespace, device in self._ends(host):
            with suppress(NetworkError):  # it was not shaped
                _tc(namespace, "qdisc", "delete", "dev", device, "root")

    def _ends(self, host: str) -> tuple[tuple[str, str], tuple[str, str]]:
        """Namespace and device at both ends of a host's cable."""
        return (self._namespace(host), "eth0"), (self._switch, self._port(host))

    def _namespace(self, host: str) -> str:
        return f"{self._switch}-{self.hosts.index(host)}"

    def _port(self, host: str) -> str:
        return f"port{self.hosts.index(host)}"


def _draw(share: float) -> str:
    """A classic BPF program of four instructions that matches a random share of packets, for tc's ``bytecode``."""
    random = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
    limit = round(share * 0xFFFFFFFF)
    return f"4,32 0 0 {random},37 1 0 {limit},6 0 0 4294967295,6 0 0 0"


def _ip(*arguments: str) -> None:
    run_command("ip", *arguments)


def _tc(namespace: str, *arguments: str) -> None:
    run_command("tc", "-n", namespace, *arguments)


def run_command(*command: str) -> None:
    """Run a system command; NetworkError with what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise NetworkError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


@cache
def available() -> str | None:
    """Why such a network cannot be built on this machine, or None."""
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
