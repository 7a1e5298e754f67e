"""Hospitals with small stores on a real SuperLink, and what the same federation gives in simulation."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from cape_fed.appfiles import stage_app
from cape_fed.rundir import read_metrics
from cape_fed.status import read_status
from cape_fed.store.store import write_store
from tests import faults
from tests.deployment.harness import BIN, CONNECTION, Deployment, Process
from tests.deployment.network import Network
from tests.pretrain.patients import patient_signals

ROLES = {"a": "train", "b": "train", "d": "evaluate"}
PATIENTS = {"a": 24, "b": 16, "d": 12}
"""With a alone a round has its quorum of patients, so that b can go wrong."""
SETTINGS = [
    "model=tiny",
    "train.pairs=8",
    "train.learning_rate=5e-4",
    "federation.local_steps=2",
    "evaluation.min_patients=3",
    "evaluation.resamples=20",
]


def write_cohorts(root: Path) -> Path:
    """One store a hospital, with patients that can be told apart."""
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
    """The encoder of the same federation in simulation, one thread a site."""
    train = ",".join(str(cohorts / name) for name, role in ROLES.items() if role == "train")
    others = ",".join(str(cohorts / name) for name, role in ROLES.items() if role == "evaluate")
    data = [f"data.train=[{train}]", f"data.evaluate=[{others}]", f"out={out}", "device=cpu"]
    command = [str(BIN / "cape-fed"), "simulate", *SETTINGS, *data, *overrides]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return encoder_of(out)


def encoder_of(out: Path) -> dict[str, Tensor]:
    return load_file(out / "bundle" / "model.safetensors")


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


def stage_faulty_app(target: Path) -> Path:
    """This project with a ClientApp that goes wrong as its environment says; to be put first on the CLI's path."""
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
    """Of the coordinator's command line."""
    network: Network | None = None
    """Where coordinator and sites are hosts of their own, their network."""

    @property
    def folder(self) -> Path:
        return self.deployment.folder

    def start(self, names: str = "abd", *, fault: Mapping[str, str] | None = None, wait: float = 60) -> None:
        """Register hospitals and start their sites; ``fault`` by name, see `tests.faults`."""
        for name in names:
            if name not in self.deployment.keys:
                self.deployment.register(name)
            self.start_site(name, (fault or {}).get(name, ""), wait=wait)

    def start_site(
        self, name: str, fault: str = "", *, env: Mapping[str, str] | None = None, wait: float = 60
    ) -> Process:
        file = self.folder / f"{name}.toml"
        file.write_text(self.toml(name))
        prefix = self.network.prefix(name) if self.network else ()
        own = {faults.VARIABLE: fault, **(env or {})}
        return self.deployment.start_site(name, file, env=own, prefix=prefix, wait=wait)

    def toml(self, name: str) -> str:
        deployment = self.deployment
        return (
            f'name = "{name}"\nrole = "{ROLES[name]}"\nstate = "{self.state(name)}"\ndevice = "cpu"\nthreads = 1\n'
            f'[stores]\nonly = "{self.cohorts / name}"\n[limits]\nmin_patients = 3\n'
            f'[superlink]\naddress = "{deployment.address}:{deployment.port}"\n'
            f'certificate = "{deployment.certificates.ca}"\nkey = "{deployment.make_key(name)}"\n'
        )

    def state(self, name: str) -> Path:
        return self.folder / "state" / name

    def arguments(self, out: Path, *overrides: str) -> list[str]:
        """The roster is of the hospitals that were registered, or of all before any was."""
        names = self.deployment.keys or ROLES
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


def rounds_done(out: Path) -> int:
    return int(read_status(out).get("rounds_done", 0))


def rounds(out: Path) -> list[dict[str, Any]]:
    return [line for line in read_metrics(out / "metrics.jsonl") if "loss" in line]


def missing(out: Path) -> list[list[str]]:
    return [line["missing"] for line in rounds(out)]


def log_of(out: Path) -> str:
    return (out / "log.txt").read_text()


def named(out: Path, site: str) -> bool:
    """Whether the log says that a site is not there."""
    return any(f"site {site} {words}" in log_of(out) for words in ("is silent", "is gone"))


def last_evaluation(out: Path) -> dict[str, Any]:
    lines = (out / "evaluations.jsonl").read_text().splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    return found
