from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from time import time

import pytest

from cape_fed.monitoring.activity import Activity, begin_work, note
from cape_fed.monitoring.site import SiteCollector, Watched
from cape_fed.monitoring.specs import SITE_SPECS
from tests.conftest import TinyStore
from tests.deployment.certificates import make_certificates


@pytest.fixture
def watched(tiny_store: TinyStore, tmp_path: Path) -> Watched:
    tiny_store("heart", patients=7)
    authority = make_certificates(tmp_path / "tls", valid=(timedelta(days=-1), timedelta(days=20))).certificate
    (tmp_path / "state").mkdir()
    stores = (tmp_path / "heart", tmp_path / "gone")
    return Watched("hospital-a", "train", stores, tmp_path / "state", authority, "127.0.0.1:1")


def scrape(watched: Watched) -> dict[str, float]:
    found = SiteCollector(watched).collect()
    return {" ".join([s.name, *s.labels.values()]): s.value for metric in found for s in metric.samples}


def test_a_site_that_has_not_been_asked_yet(watched: Watched) -> None:
    found = scrape(watched)
    assert found["cape_fed_site_info hospital-a train"] == 1
    assert found["cape_fed_site_stores hospital-a yes"] == 1
    assert found["cape_fed_site_stores hospital-a no"] == 1
    assert found["cape_fed_site_store_patients hospital-a heart"] == 7
    assert found["cape_fed_site_store_records hospital-a heart"] >= 7
    assert found["cape_fed_site_disk_free_bytes hospital-a state"] > 0
    left = found["cape_fed_site_certificate_expiry_timestamp_seconds hospital-a authority"] - time()
    assert left == pytest.approx(20 * 86400, abs=60)
    assert "cape_fed_site_certificate_expiry_timestamp_seconds hospital-a server" not in found
    assert not any("messages" in name for name in found)


def test_what_its_messages_noted(watched: Watched) -> None:
    def change(activity: Activity) -> None:
        activity.messages = {"train": {"answered": 4, "policy": 1}, "join": {"answered": 1}}
        activity.seconds = {"train": 80.0}
        activity.bytes_down, activity.bytes_up, activity.samples = 500, 400, 256
        activity.run, activity.round, activity.source = "0123456789ab", 3, "abcd"
        activity.loss, activity.samples_per_second, activity.gpu_peak_bytes = 1.5, 12.5, 2**30
        activity.epsilon = 2.5
        activity.last_time = 1000.0
        assert activity.working is not None
        activity.working.since = 900.0

    held = begin_work(watched.state, "train")
    assert held is not None
    note(watched.state, change)
    found = scrape(watched)
    os.close(held)
    expected = {
        "cape_fed_site_messages_total hospital-a train answered": 4,
        "cape_fed_site_messages_total hospital-a train policy": 1,
        "cape_fed_site_message_seconds_total hospital-a train": 80,
        "cape_fed_site_working hospital-a": 1,
        "cape_fed_site_working_since_timestamp_seconds hospital-a": 900,
        "cape_fed_site_last_message_timestamp_seconds hospital-a": 1000,
        "cape_fed_site_run_info hospital-a 0123456789ab abcd": 1,
        "cape_fed_site_round hospital-a": 3,
        "cape_fed_site_loss hospital-a": 1.5,
        "cape_fed_site_epsilon hospital-a": 2.5,
        "cape_fed_site_samples_total hospital-a": 256,
        "cape_fed_site_samples_per_second hospital-a": 12.5,
        "cape_fed_site_bytes_total hospital-a down": 500,
        "cape_fed_site_bytes_total hospital-a up": 400,
        "cape_fed_site_gpu_peak_bytes hospital-a": 2**30,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_a_message_whose_process_was_killed_is_not_worked_on(watched: Watched) -> None:
    held = begin_work(watched.state, "train")
    assert held is not None
    assert scrape(watched)["cape_fed_site_working hospital-a"] == 1
    os.close(held)  # as the end of the process does
    found = scrape(watched)
    assert found["cape_fed_site_working hospital-a"] == 0
    assert "cape_fed_site_working_since_timestamp_seconds hospital-a" not in found


def test_every_series_has_the_labels_of_the_table_and_no_path_or_patient(watched: Watched) -> None:
    begin_work(watched.state, "train")
    labels = {spec.name: set(spec.labels) for spec in SITE_SPECS}
    for metric in SiteCollector(watched).collect():
        for sample in metric.samples:
            assert set(sample.labels) == labels[sample.name]
            assert not any("/" in value for value in sample.labels.values())


def test_gpus_that_nvidia_smi_knows(watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 0, 25, 512, 1024\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    found = scrape(watched)
    assert found["cape_fed_site_gpu_utilisation_ratio hospital-a 0"] == 0.25
    assert found["cape_fed_site_gpu_memory_used_bytes hospital-a 0"] == 512 * 2**20


def test_readiness_names_what_cannot_be_read_by_its_number(watched: Watched) -> None:
    assert SiteCollector(watched).readiness() == {"store 2": "cannot be opened"}
    watched.state.rmdir()
    assert SiteCollector(watched).readiness().keys() == {"state", "store 2"}


def test_the_exporter_does_not_import_pytorch() -> None:
    code = (
        "import sys, cape_fed.monitoring.site, cape_fed.monitoring.coordinator, cape_fed.monitoring.exporter, "
        "cape_fed.site.node; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
