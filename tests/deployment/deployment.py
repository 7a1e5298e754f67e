"""Flower's deployment engine on this machine: a SuperLink and SuperNodes with TLS and registered keys, for tests."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.deployment.certificates import Certificates, make_certificates
from tests.deployment.host import BIN, DeploymentError, Host
from tests.deployment.superlink import CONNECTION, SuperLink
from tests.deployment.supernodes import SuperNodes


class Deployment(Host):
    """A SuperLink (``link``) and SuperNodes (``nodes``) in ``folder``; all processes end with the ``with`` block.

    ``address`` and ``prefix`` place the coordinator in a network namespace (see ``network.py``). Without them, all
    traffic stays on 127.0.0.1.
    """

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        certificates: Certificates | None = None,
    ) -> None:
        super().__init__(folder, prefix)
        self.link = SuperLink(self, address, certificates or make_certificates(folder / "tls", names=(address,)))
        self.nodes = SuperNodes(self, self.link)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, app: Path, run_config: str) -> int:
        """Start a run of an app folder by ``flwr run``; return the id of the run."""
        command = ["flwr", "run", str(app), CONNECTION, "--format", "json", "--run-config", run_config]
        done = self.run_cli(command)
        answer = json.loads(done.stdout)
        if not answer.get("success"):
            raise DeploymentError(f"flwr run: {done.stdout}{done.stderr}\n{self.tails()}")
        return int(answer["run-id"])

    def wait_finished(self, run: int, seconds: float) -> str:
        """Wait until a run has finished; return its status, such as ``finished:completed``."""
        return self.wait_for(lambda: self._final_status(run), seconds, f"run {run} finished", every=0.5)

    def _final_status(self, run: int) -> str:
        """The status of a run as ``flwr list`` gives it, empty as long as the run goes on."""
        done = self.run_cli(["flwr", "list", CONNECTION, "--run-id", str(run), "--format", "json"])
        status = str(json.loads(done.stdout)["runs"][0]["status"])
        return status if status.startswith("finished") else ""


def unavailable() -> str | None:
    """Why the deployment engine cannot be tested on this machine, or None."""
    if not sys.platform.startswith("linux"):
        return "the processes of a deployment are found by /proc, which only Linux has"
    for program in ("flower-superlink", "flower-supernode", "flwr"):
        if shutil.which(program, path=str(BIN)) is None:
            return f"{program} is missing in {BIN}"
    return None
