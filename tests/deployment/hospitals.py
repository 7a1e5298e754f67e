"""Hospitals with small stores on a real SuperLink, and the simulation that they are compared with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from cape_fed.appfiles import app_files, stage_app
from cape_fed.federation.fab import pack, pack_app
from cape_fed.site.approvals import Approvals
from cape_fed.site.node import read_site
from cape_fed.store.store import write_store
from tests import faults
from tests.deployment.deployment import Deployment
from tests.deployment.host import BIN
from tests.deployment.network import Network
from tests.deployment.outcome import encoder_of, rounds_done
from tests.deployment.processes import Process
from tests.deployment.superlink import CONNECTION
from tests.pretrain.patients import patient_signals

ROLES = {"a": "train", "b": "train", "d": "evaluate"}
PATIENTS = {"a": 24, "b": 16, "d": 12}
"""Site a alone has enough patients for a quorum, so that b may fail."""
SETTINGS = [
    "model=tiny",
    "train.pairs=8",
    "train.learning_rate=5e-4",
    "federation.local_steps=2",
    "evaluation.min_patients=3",
    "evaluation.resamples=20",
]


def write_cohorts(root: Path) -> Path:
    """Write one store for each hospital, with patients whose signals differ; returns ``root``."""
    for index, (name, count) in enumerate(PATIENTS.items()):
        signals, owner = patient_signals(patients=count, seed=index)
        records = {
            "record": [f"{name}-{row}" for row in range(len(owner))],
            "patient": [f"{name}{patient}" for patient in owner],
            "age": [40.0 + patient for patient in owner],
            "sex": ["FM"[patient % 2] for patient in owner],
        }
        write_store(root / name, cohort=name, profile="compact100", signals=signals, records=records)
    return root


def simulate(cohorts: Path, out: Path, *overrides: str) -> dict[str, Tensor]:
    """Simulate the federation of these hospitals, with one thread for each site; return the encoder."""
    train = ",".join(str(cohorts / name) for name, role in ROLES.items() if role == "train")
    others = ",".join(str(cohorts / name) for name, role in ROLES.items() if role == "evaluate")
    data = [f"data.train=[{train}]", f"data.evaluate=[{others}]", f"out={out}", "device=cpu"]
    command = [str(BIN / "cape-fed"), "simulate", *SETTINGS, *data, *overrides]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return encoder_of(out)


def packed(folder: Path) -> bytes:
    """The bundle of the app in a folder."""
    return pack({name: path.read_bytes() for name, path in app_files(folder / "cape_fed", folder).items()})


def stage_faulty_app(target: Path) -> Path:
    """Copy the app with a ClientApp that fails as its environment asks; the copy goes first on the path of the CLI."""
    stage_app(target)
    shutil.copy(str(faults.__file__), target / "client" / "faults.py")
    (target / "client" / "faulty.py").write_text(
        "from client.app import app as right\nfrom client.faults import FaultyApp\n\napp = FaultyApp(right)\n"
    )
    project = target / "pyproject.toml"
    project.write_text(project.read_text().replace('"client.app:app"', '"client.faulty:app"'))
    return target


@dataclass
class Hospitals:
    """A SuperLink with registered hospitals."""

    deployment: Deployment
    cohorts: Path
    env: dict[str, str] = field(default_factory=dict)
    """Additional environment of the coordinator's commands."""
    app: bytes = field(default_factory=pack_app)
    """The app that the sites approve; other approvals stay."""
    network: Network | None = None
    """The network of coordinator and sites if each has a network namespace."""

    @property
    def folder(self) -> Path:
        return self.deployment.folder

    def start(self, names: str = "abd", *, fault: Mapping[str, str] | None = None, wait: float = 60) -> None:
        """Register hospitals and start their sites; ``fault`` maps names to faults, see `tests.faults`."""
        for name in names:
            if name not in self.deployment.nodes.keys:
                self.deployment.nodes.register(name)
            self.start_site(name, (fault or {}).get(name, ""), wait=wait)

    def start_site(
        self, name: str, fault: str = "", *, env: Mapping[str, str] | None = None, wait: float = 60
    ) -> Process:
        file = self.folder / f"{name}.toml"
        file.write_text(self.toml(name))
        Approvals(read_site(file)).approve(self.app)
        prefix = self.network.prefix(name) if self.network else ()
        return self.deployment.nodes.start_site(
            name, file, env={faults.VARIABLE: fault, **(env or {})}, prefix=prefix, wait=wait
        )

    def toml(self, name: str) -> str:
        link = self.deployment.link
        return (
            f'name = "{name}"\nrole = "{ROLES[name]}"\nstate = "{self.state(name)}"\ndevice = "cpu"\nthreads = 1\n'
            f'[stores]\nonly = "{self.cohorts / name}"\n[limits]\nmin_patients = 3\n'
            f'[superlink]\naddress = "{link.address}:{link.port}"\n'
            f'certificate = "{link.certificates.ca}"\nkey = "{self.deployment.nodes.make_key(name)}"\n'
        )

    def state(self, name: str) -> Path:
        return self.folder / "state" / name

    def arguments(self, out: Path, *overrides: str) -> list[str]:
        """The command that starts a run; its roster has the hospitals registered so far, or all if none is."""
        names = self.deployment.nodes.keys or ROLES
        roster = "roster={" + ",".join(f"{name}: {ROLES[name]}" for name in names) + "}"
        return ["cape-fed", "run", CONNECTION, *SETTINGS, roster, f"out={out}", *overrides]

    def run(self, out: Path, *overrides: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return self.deployment.run_cli(self.arguments(out, *overrides), timeout, env=self.env)

    def start_run(self, out: Path, *overrides: str) -> Process:
        return self.deployment.start_cli(self.arguments(out, *overrides), env=self.env)

    def resume(self, out: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return self.deployment.run_cli(["cape-fed", "run", "--resume", str(out)], timeout, env=self.env)

    def wait_for_rounds(self, out: Path, number: int, seconds: float = 120) -> None:
        self.deployment.wait_for(lambda: rounds_done(out) >= number, seconds, f"{number} rounds")

    def wait_for_end(self, process: Process, seconds: float) -> int:
        self.deployment.wait_for(lambda: process.returncode is not None, seconds, f"the end of {process.name}")
        assert process.returncode is not None
        return process.returncode
