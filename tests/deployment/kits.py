"""A federation as its kits' READMEs have it: the lines that they tell people to type, typed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.deployment.host import Host
from tests.deployment.processes import Process
from tests.deployment.superlink import free_port

PLAN = (
    "experiment=small", "model=tiny", "train.pairs=4", "federation.local_steps=1", "federation.rounds=1",
    "federation.evaluate=false", "evaluation.resamples=20",
)  # fmt: skip


def nginx_missing() -> str | None:
    """Why no proxy can be started on this machine, or None."""
    return None if shutil.which("nginx", path="/usr/sbin:/usr/bin") else "nginx is missing (Debian: nginx-light)"


def lines_of(readme: Path) -> list[str]:
    """The lines that a README tells its reader to type."""
    return [line for block in re.findall(r"```sh\n(.*?)```", readme.read_text(), re.S) for line in block.splitlines()]


class Kits:
    """A federation of hospital-a and hospital-b, provisioned in ``host.folder``; sites have copies of their kits."""

    def __init__(self, host: Host, cohorts: Path, *, plan: tuple[str, ...] = PLAN) -> None:
        self.host = host
        self.port, self.local_port = free_port(), free_port()
        file = host.folder / "federation.yaml"
        file.write_text(
            f"name: hearts\naddress: 127.0.0.1:{self.port}\nlocal_port: {self.local_port}\n"
            f"plan: [{', '.join(plan)}]\nsites: {{hospital-a: train, hospital-b: train}}\n"
        )
        done = host.run_cli(["cape-fed", "provision", str(file), str(host.folder / "kits")], 120)
        assert done.returncode == 0, done.stderr
        self.coordinator = host.folder / "kits" / "coordinator"
        self.stores = {"hospital-a": cohorts / "a", "hospital-b": cohorts / "b"}
        for name in self.stores:
            shutil.copytree(host.folder / "kits" / "sites" / name, self.site(name))

    def site(self, name: str) -> Path:
        """The place of a site's kit at the site."""
        return self.host.folder / name

    def type(self, folder: Path, line: str, timeout: float = 400) -> str:
        """Type a line in a folder and wait for its end, which has to be a good one; what it printed."""
        done = self.host.run_cli(["sh", "-c", f"cd '{folder}' && {line}"], timeout, env=self._env(folder))
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}\n{self.host.tails()}"
        return done.stdout

    def leave_running(self, name: str, folder: Path, line: str) -> Process:
        """Type a line that runs until it is stopped."""
        return self.host.start(name, ["sh", "-c", f"cd '{folder}' && exec {line}"], env=self._env(folder))

    def start_coordinator(self) -> Process:
        """Type the line that starts SuperLink and nginx, and wait until sites are let in."""
        process = self.leave_running("coordinator", self.coordinator, lines_of(self.coordinator / "README.md")[0])
        self.host.wait_for(lambda: "Uvicorn running" in process.output(), 90, "the SuperLink")
        return process

    def start_site(self, name: str) -> Process:
        """Type the last line of a site's README, and wait until its node is connected."""
        process = self.leave_running(name, self.site(name), lines_of(self.site(name) / "README.md")[-1])
        self.host.wait_for(lambda: "SuperNode ID:" in process.output(), 90, f"{name} connected")
        return process

    def hand_over(self, name: str) -> None:
        """Send a site's public key to the coordinator."""
        shutil.copy(self.site(name) / f"{name}.pub", self.coordinator)

    def asked(self) -> str:
        """What nginx has put down of requests."""
        return (self.coordinator / "state" / "nginx" / "access.log").read_text()

    def _env(self, folder: Path) -> dict[str, str]:
        return {"STORE": str(self.stores[folder.name])} if folder.name in self.stores else {}
