"""SIGTERM ends everything within half a minute, and what is on disk afterwards is whole."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from time import monotonic

import pytest
from safetensors.torch import load_file

from tests.deployment.hospitals import Hospitals, simulate
from tests.deployment.outcome import encoder_of, same
from tests.deployment.processes import Process, processes
from tests.deployment.superlink import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUICK = ["federation.evaluate=false", "federation.measure_every=99", "federation.quorum=1.0"]
SECONDS = 30


def test_sites_exporters_and_coordinator_end_in_time_and_leave_nothing_half_written(
    hospitals: Hospitals, tmp_path: Path
) -> None:
    hospitals.start("ab")
    out = tmp_path / "run"
    settings = ["federation.rounds=5"]
    exporters = [
        exporter(hospitals, "metrics", str(tmp_path)),
        exporter(hospitals, "site", "metrics", str(hospitals.folder / "a.toml")),
    ]
    follower = hospitals.start_run(out, *QUICK, *settings)
    hospitals.wait_for_rounds(out, 1)
    for site in "ab":
        assert stop(hospitals, hospitals.deployment.nodes[site]) == 0
    for process in exporters:
        assert stop(hospitals, process) == 0
    link = hospitals.deployment.link
    assert link.process is not None
    stop(hospitals, link.process)
    assert hospitals.wait_for_end(follower, 60) == 3  # it said that it was stopped
    require_whole(out)
    require_whole(hospitals.folder / "state")

    link.start()
    for site in "ab":
        hospitals.start_site(site)
    assert hospitals.resume(out).returncode == 0
    assert list(tmp_path.rglob("*.partial")) == []
    assert same(encoder_of(out), simulate(hospitals.cohorts, tmp_path / "simulated", *QUICK, *settings))


def exporter(hospitals: Hospitals, *words: str) -> Process:
    process = hospitals.deployment.start_cli(["cape-fed", *words, "--listen", f"127.0.0.1:{free_port()}"])
    hospitals.deployment.wait_for(lambda: "/metrics" in process.output(), 60, "an exporter")
    return process


def stop(hospitals: Hospitals, process: Process) -> int:
    """Send SIGTERM to a process alone and wait until it and all that it started are gone; its exit status."""
    begin = monotonic()
    status = process.kill(signal.SIGTERM, group=False, seconds=SECONDS)
    hospitals.deployment.wait_for(lambda: not processes(process.marker), SECONDS, f"the end of all of {process.name}")
    took = monotonic() - begin
    print(f"{process.name} ended with {status} after {took:.1f} s")
    assert took < SECONDS
    return status


def require_whole(folder: Path) -> None:
    """Read every file in a folder that somebody could read."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".partial" not in str(path)]
    assert files
    for path in files:
        if path.suffix == ".safetensors":
            load_file(path)
        elif path.suffix == ".json" and (text := path.read_text()):  # empty: made before there was anything to say
            json.loads(text)
        elif path.suffix == ".jsonl":
            assert all(json.loads(line) for line in path.read_text().splitlines())
