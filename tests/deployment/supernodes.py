"""The sites' SuperNodes: keys, registration, and their processes by the name of the site."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from tests.deployment.certificates import make_key
from tests.deployment.host import DeploymentError, Host
from tests.deployment.processes import Process
from tests.deployment.superlink import CONNECTION, SuperLink, free_port

USUAL_START = 8.0
"""Seconds that an idle machine takes at the most to start a site, which loads PyTorch."""


class SuperNodes:
    """SuperNodes on ``host`` that belong to ``link``; ``nodes["a"]`` is the process of site a."""

    def __init__(self, host: Host, link: SuperLink) -> None:
        self.keys: dict[str, Path] = {}
        """The private keys of the sites, in the order in which they were made."""
        self._host = host
        self._link = link
        self._processes: dict[str, Process] = {}

    def __getitem__(self, name: str) -> Process:
        return self._processes[name]

    def make_key(self, name: str) -> Path:
        """The private key of site ``name``; the first call makes it."""
        if name not in self.keys:
            self.keys[name] = make_key(self._host.folder / "keys", name)
        return self.keys[name]

    def register(self, name: str) -> Path:
        """Make a key for site ``name``, register it with the SuperLink under that name, return the private key."""
        key = self.make_key(name)
        command = ["flwr", "supernode", "register", f"{key}.pub", CONNECTION, "--name", name, "--format", "json"]
        done = self._host.run_cli(command)
        if done.returncode or not json.loads(done.stdout).get("success"):
            raise DeploymentError(f"register {name}: {done.stdout}{done.stderr}")
        return key

    def start(self, name: str, site: str = "", env: Mapping[str, str] | None = None, *, wait: float = 30) -> Process:
        """Start site ``name`` by Flower's own command, with the TOML text ``site`` as its node config.

        Waits until it is connected (``wait=0``: returns at once).
        """
        command = [
            "flower-supernode", "--superlink", f"{self._link.address}:{self._link.port}", "--host", "127.0.0.1",
            "--port", str(free_port()), "--root-certificates", str(self._link.certificates.ca),
            "--auth-supernode-private-key", str(self.make_key(name)),
        ]  # fmt: skip
        if site:
            path = self._host.folder / f"{name}.toml"
            path.write_text(site)
            command += ["--node-config", str(path)]
        return self._start(name, command, env, (), wait)

    def start_site(
        self,
        name: str,
        file: Path,
        env: Mapping[str, str] | None = None,
        *,
        prefix: Sequence[str] = (),
        wait: float = 60,
    ) -> Process:
        """Start site ``name`` by ``cape-fed site FILE``; waits until it is connected (``wait=0``: returns at once)."""
        return self._start(name, ["cape-fed", "site", str(file)], env, prefix, wait)

    def start_command(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None, *, wait: float = 60
    ) -> Process:
        """Start site ``name`` by a command of one's own; waits as `start` does."""
        return self._start(name, command, env, (), wait)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Signal site ``name`` together with its SuperExec and any ClientApp, and wait for its end."""
        self[name].kill(number, seconds=30)

    def _start(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None, prefix: Sequence[str], wait: float
    ) -> Process:
        process = self._host.start(name, command, env=env, prefix=prefix)
        self._processes[name] = process
        if wait:
            begin = monotonic()
            self._host.wait_for(lambda: self._connected(process), wait, f"site {name} connected")
            self._host.started_in(monotonic() - begin, USUAL_START)
        return process

    def _connected(self, process: Process) -> bool:
        if "SuperNode ID:" in process.output():
            return True
        if process.returncode is not None:
            raise DeploymentError(f"site {process.name} ended with {process.returncode}\n{self._host.tails()}")
        return False
