"""The coordinator's SuperLink: with TLS, a database and authentication of SuperNodes, and a connection to it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic

from tests.deployment.certificates import Certificates
from tests.deployment.host import DeploymentError, Host
from tests.deployment.processes import Process, signal_all

CONNECTION = "testing"
"""The name of the SuperLink in Flower's config.toml."""
USUAL_START = 4.0
"""Seconds that an idle machine takes at the most to start a SuperLink."""
HEALTH = """
import ssl, sys, urllib.request
tls = ssl.create_default_context(cafile=sys.argv[2])
print(urllib.request.urlopen(sys.argv[1], timeout=2, context=tls).status)
"""


def free_port() -> int:
    """A TCP port that is not in use on the loopback interface now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class SuperLink:
    """A SuperLink on ``host`` at ``address``, to be started, killed and started again."""

    def __init__(self, host: Host, address: str, certificates: Certificates) -> None:
        self.address = address
        self.port = free_port()
        self.certificates = certificates
        self._host = host
        self._process: Process | None = None
        (host.flower_home / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
            f'address = "{address}:{self.port}"\nroot-certificates = "{certificates.ca}"\n'
        )

    @property
    def process(self) -> Process | None:
        """The process that was started last."""
        return self._process

    def start(self, wait: float = 120) -> Process:
        """Start it and wait until it is healthy (``wait=0``: return at once)."""
        host = "127.0.0.1" if self.address == "127.0.0.1" else "0.0.0.0"  # its SuperExec comes by loopback
        database: Path = self._host.folder / "state.db"
        command = [
            "flower-superlink", "--host", host, "--port", str(self.port),
            "--ssl-ca-certfile", str(self.certificates.ca), "--ssl-certfile", str(self.certificates.certificate),
            "--ssl-keyfile", str(self.certificates.key), "--enable-supernode-auth",
            "--database", str(database), "--disable-runtime-dependency-installation",
        ]  # fmt: skip
        self._process = self._host.start("superlink", command, prefix=self._host.prefix)
        if wait:
            begin = monotonic()
            self.wait_healthy(wait)
            self._host.started_in(monotonic() - begin, USUAL_START)
        return self._process

    def wait_healthy(self, seconds: float) -> None:
        """Wait until `health` is true; DeploymentError if the SuperLink ends before, or after ``seconds``."""
        self._host.wait_for(self._answers, seconds, "the SuperLink's health answer")

    def health(self) -> bool:
        """Whether it answers ``/health`` over TLS, asked from the coordinator's side of the network."""
        url = f"https://{self.address}:{self.port}/health"
        command = [*self._host.prefix, sys.executable, "-c", HEALTH, url, str(self.certificates.ca)]
        asked = subprocess.run(
            command, env=self._host.env, cwd=self._host.work, capture_output=True, timeout=20, check=False
        )
        return asked.stdout.strip() == b"200"

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal it together with its SuperExec and the ServerApp, and wait for its end."""
        self._running().kill(number, seconds=30)

    def restart(self) -> Process:
        """Kill it and start it again with the same database and port."""
        self.kill()
        return self.start()

    def kill_serverapp(self, number: int = signal.SIGKILL) -> list[int]:
        """Signal the running ServerApps; return their process ids."""
        return signal_all(self._running().marker, number, "flwr-serverapp")

    def _answers(self) -> bool:
        if self._running().returncode is not None:
            raise DeploymentError(f"the SuperLink ended\n{self._host.tails()}")
        return self.health()

    def _running(self) -> Process:
        if self._process is None:
            raise DeploymentError("no SuperLink was started")
        return self._process
