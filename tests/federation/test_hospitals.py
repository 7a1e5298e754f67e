"""Hospitals as they are deployed, on the in-process engine: their own names, their own books, and a patient's name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message
from flwr.proto.message_pb2 import Message as MessageProto

from cape_fed.config import RunConfig
from cape_fed.coordinator.lead import lead_run
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.local_grid import LocalGrid
from cape_fed.federation.roster import RosterEntry
from cape_fed.progress import no_progress
from cape_fed.release.bundle import load_encoder
from cape_fed.rundir import RunDirectory, read_metrics
from cape_fed.site import handlers, presence
from cape_fed.site.audit import log_file, read_entries
from cape_fed.site.config import Limits, SiteConfig
from cape_fed.site.policy_text import note_policy
from cape_fed.site.verify import verify_audit
from cape_fed.site.workplace import forget_workplaces
from cape_fed.status import Status, read_status
from cape_fed.store.store import write_store
from tests.federation.leading import FaultyGrid
from tests.pretrain.patients import patient_signals

PATIENT = "Erika Mustermann"
NAMES = ("hospital-a", "hospital-b")


def hospital(root: Path, name: str, seed: int, patients: int = 30) -> SiteConfig:
    """A hospital that calls its cohort cardiology, with a patient's name wherever a name can stand."""
    signals, owner = patient_signals(patients=patients, seed=seed)
    rng = np.random.default_rng(seed)
    folder = root / PATIENT / name
    write_store(
        folder / "store",
        cohort="cardiology",
        profile="compact100",
        signals=signals,
        records={
            "record": [f"{PATIENT}/{name}-{row}" for row in range(len(owner))],
            "patient": [f"{PATIENT} {name} {patient}" for patient in owner],
            "age": (40 + 30 * rng.random(patients))[owner].astype(np.float32),
            "sex": np.array(["F", "M"], object)[rng.integers(0, 2, patients)][owner],
            "AF": (rng.random(patients) < 0.5)[owner],
            f"seen by {PATIENT}": (rng.random(patients) < 0.5)[owner],
        },
    )
    return SiteConfig(
        name=name,
        role="train",
        stores=(folder / "store",),
        state=folder / "state",
        device="cpu",
        threads=1,
        limits=Limits(min_patients=2),
    )


@pytest.fixture
def hospitals(tmp_path: Path, one_thread: None) -> list[SiteConfig]:
    return [hospital(tmp_path, name, seed) for seed, name in enumerate(NAMES)]


@pytest.fixture(autouse=True)
def ended_processes() -> Iterator[None]:
    """As if every site's process ended with the test."""
    mask = os.umask(0o022)
    yield
    os.umask(mask)
    forget_workplaces()


class RecordingGrid(FaultyGrid):
    """Keeps all that sites send, as bytes."""

    def __init__(self, sites: list[SiteConfig], faults: Any = None) -> None:
        super().__init__(sites, faults or {})
        self.sent: list[bytes] = []

    def _decode(self, data: bytes) -> Message:
        self.sent.append(data)
        return super()._decode(data)


def lead(root: Path, sites: list[SiteConfig], grid: LocalGrid, **federation: Any) -> RunDirectory:
    config = RunConfig.model_validate(
        {
            "model": "tiny",
            "train": {"pairs": 8},
            "federation": {"rounds": 1, "local_steps": 1, "name": "ecg-net", "join_deadline": 1.0, **federation},
            "evaluation": {"resamples": 10, "min_patients": 2, "dimensions": 1},
            "out": root / "run",
        }
    )
    run = RunDirectory(config.out)
    roster = {site.name: RosterEntry(role=site.role) for site in sites}
    try:
        with run.open(config.saved(), resume=False):
            lead_run(grid, config.federation_plan(), run, roster, Status(run.path), no_progress)
    finally:
        grid.close()
    return run


def coordinators_part(log: str) -> str:
    """What is not the sites' of a log that all write to, being in one process here."""
    entries = re.split(r"^(?=\d{4}-\d\d-\d\d )", log, flags=re.M)
    return "".join(entry for entry in entries if " cape_fed.site." not in entry.partition("\n")[0])


def kinds(site: SiteConfig) -> list[str]:
    return [str(entry["kind"]) for entry, _ in read_entries(site)]


def test_two_hospitals_train_on_cohorts_of_one_name_and_keep_their_books(
    hospitals: list[SiteConfig], tmp_path: Path
) -> None:
    for site in hospitals:
        note_policy(site)  # as 'cape-fed site' does when it starts
    grid = RecordingGrid(hospitals)
    run = lead(tmp_path, hospitals, grid)
    assert load_encoder(run.bundle).provenance.cohorts.keys() == {f"{name}/cardiology" for name in NAMES}
    assert "hospital-a/cardiology, hospital-b/cardiology" in (run.bundle / "README.md").read_text()
    line = list(read_metrics(run.path / "evaluations.jsonl"))[-1]
    assert line["tasks"]["AF"]["id"].keys() == {f"{name}/cardiology" for name in NAMES}
    assert line["missing"] == []

    for site in hospitals:
        entries = [entry for entry, _ in read_entries(site)]
        assert kinds(site) == ["policy", "joined", "sent", "sent", "sent"]  # training, the last look, the cells
        assert {entry.get("federation") for entry in entries[2:]} == {"ecg-net"}
        assert {entry["run"] for entry in entries[2:]} == {read_status(run.path)["run"]}
        trained = entries[2]["records"]
        assert trained["metrics"]["patients"] > 0
        assert trained["encoder"]["values"]["norm"] > 0
        assert "stem.conv.weight" in json.dumps(trained["layout"]) or len(trained["layout"]["json"]) > 3
        private = [path for path in site.state.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
        assert private == []
        assert len(log_file(site).read_bytes()) < 200_000  # no arrays
        assert verify_audit(site).startswith("5 entries")
        seen = read_status(run.path)["audits"][site.name]
        assert seen.split(":")[0] == "1"  # the policy stood there when it joined
        assert "unchanged" in verify_audit(site)
        log = (site.state / "log.txt").read_text()
        assert "asked to train, round 0 of run" in log
        assert "by federation 'ecg-net'" in log
        assert "sends" in log
        assert "of norm" in log


def test_a_patients_name_is_nowhere_outside_the_hospital(
    hospitals: list[SiteConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It stands in record names, patient keys, paths, a label of a store's own making, and in what goes wrong."""

    def failing(*arguments: Any) -> Any:
        raise RuntimeError(f"no heartbeat in the record of {PATIENT}")

    train = handlers.train
    calls: list[str] = []

    def sometimes(incoming: Any, policy: Any) -> Any:
        calls.append(policy.site.name)
        return failing() if policy.site.name == NAMES[1] else train(incoming, policy)

    monkeypatch.setattr(handlers, "train", sometimes)
    grid = RecordingGrid(hospitals)
    run = lead(tmp_path, hospitals, grid, quorum=0.5, quorum_patients=0.3, tries=1)
    assert set(calls) == set(NAMES)
    planted = [PATIENT, "Erika", "Mustermann", str(tmp_path / PATIENT)]
    files = b"".join(path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path != run.log)
    outside = b"".join(grid.sent) + files + coordinators_part(run.log.read_text()).encode()
    assert len(grid.sent) > 6
    for word in planted:
        assert word.encode() not in outside, word
    inside = "".join((site.state / "log.txt").read_text() for site in hospitals)
    assert f"no heartbeat in the record of {PATIENT}" in inside
    replies = [MessageProto.FromString(data) for data in grid.sent]
    errors = [reply.error for reply in replies if reply.HasField("error")]
    assert {(error.code, error.reason) for error in errors} == {(SiteFailure.RAISED, "")}
    refused = [entry for entry, _ in read_entries(hospitals[1]) if entry["kind"] == "refused"]
    assert [(entry["code"], entry["reason"], entry["action"]) for entry in refused] == [
        ("RAISED", "RuntimeError", "train")
    ]


def test_nothing_leaves_a_hospital_whose_audit_log_cannot_be_written(
    hospitals: list[SiteConfig], tmp_path: Path
) -> None:
    broken = hospitals[1]
    (broken.state / "audit").parent.mkdir(parents=True)
    (broken.state / "audit").write_text("in the way")
    grid = RecordingGrid(hospitals)
    run = lead(tmp_path, hospitals, grid, quorum=0.5, quorum_patients=0.0, evaluate=False)
    replies = [MessageProto.FromString(data) for data in grid.sent]
    codes = [reply.error.code for reply in replies if grid.name_of(reply.metadata.src_node_id) == broken.name]
    assert codes
    assert set(codes) == {SiteFailure.AUDIT}
    assert "site hospital-b cannot write its audit log, without which nothing leaves it" in run.log.read_text()


def test_a_hospital_that_leaves_is_told_to_the_coordinator_who_goes_on(
    hospitals: list[SiteConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = hospitals[1]
    train = handlers.train

    def leave_meanwhile(incoming: Any, policy: Any) -> Any:
        records = train(incoming, policy)
        if policy.site.name == leaving.name and incoming.request.round == 1:
            presence.leave(policy.site)
        return records

    monkeypatch.setattr(handlers, "train", leave_meanwhile)
    grid = RecordingGrid(hospitals)
    run = lead(tmp_path, hospitals, grid, rounds=3, evaluate=False, quorum=0.5, quorum_patients=0.3)
    rounds = [line for line in read_metrics(run.metrics) if "sites" in line]
    assert [line["missing"] for line in rounds] == [[], [leaving.name], [leaving.name]]
    assert "site hospital-b has left" in run.log.read_text()
    assert presence.run_folders(leaving) == []
    assert [entry["code"] for entry, _ in read_entries(leaving) if entry["kind"] == "refused"] == ["LEFT"]


def test_a_hospital_that_gives_no_sums_and_no_scores_trains_all_the_same(tmp_path: Path, one_thread: None) -> None:
    limits = Limits(min_patients=2, labels=("AF",))
    sites = [
        hospital(tmp_path, "hospital-a", 0, patients=120).model_copy(update={"limits": limits}),
        hospital(tmp_path, "hospital-b", 1).model_copy(
            update={"limits": limits.model_copy(update={"actions": ("train", "measure")})}
        ),
    ]
    run = lead(tmp_path, sites, RecordingGrid(sites))
    line = list(read_metrics(run.path / "evaluations.jsonl"))[-1]
    assert line["sites_summed"] == ["hospital-a"]
    assert line["tasks"].keys() <= {"AF"}
    assert line["tasks"]["AF"]["id"].keys() == {"hospital-a/cardiology"}
    rounds = [line for line in read_metrics(run.metrics) if "sites" in line]
    assert [line["missing"] for line in rounds] == [[]]
    assert "refused" not in kinds(sites[1])


def test_a_policy_that_changed_is_put_down(hospitals: list[SiteConfig], tmp_path: Path) -> None:
    site = hospitals[0]
    for changed in (site, site, site.model_copy(update={"limits": Limits(min_patients=50)}), site):
        note_policy(changed)
    policies = [entry["policy"]["limits"]["min_patients"] for entry, _ in read_entries(site)]
    assert policies == [2, 50, 2]
