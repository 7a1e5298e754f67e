"""The deployment harness: registered sites train by name, others are refused, faults and clean-up work."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.deployment.harness import (
    Deployment,
    DeploymentError,
    free_port,
    make_certificates,
    unavailable,
)
from tests.deployment.toy import write_toy_app

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

SITES = ("hospital-a", "hospital-b")


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(tmp_path / "deployment") as started:
        started.start_superlink()
        yield started


def test_registered_sites_train_a_round_by_name(deployment: Deployment, tmp_path: Path) -> None:
    ids = {}
    for site in SITES:
        deployment.register(site)
        deployment.start_node(site, {"site": site})
        ids[site] = deployment.node_id(site)
    out = tmp_path / "result.json"
    run = deployment.submit(write_toy_app(tmp_path / "app"), f'out="{out}"')
    assert deployment.wait_finished(run, 60) == "finished:completed"
    assert json.loads(out.read_text())["nodes"] == {site: [str(ids[site]), 4.0, site] for site in SITES}

    deployment.restart_node(SITES[0], signal.SIGTERM)
    assert deployment.node_id(SITES[0]) == ids[SITES[0]]
    deployment.close()
    assert deployment.processes() == []


def test_an_unregistered_key_is_refused(deployment: Deployment) -> None:
    stranger = deployment.start_node("stranger", wait=0)
    deployment.wait_for(lambda: stranger.returncode is not None, 30, "the stranger's end")
    assert stranger.returncode != 0
    assert "SuperNode ID:" not in stranger.output()


def test_a_failed_start_shows_the_logs(tmp_path: Path) -> None:
    expired = make_certificates(tmp_path / "tls", valid=(timedelta(days=-2), timedelta(days=-1)))
    with Deployment(tmp_path / "deployment", certificates=expired) as deployment:
        with pytest.raises(DeploymentError, match=r"health answer\n--- superlink(.|\n)*certificate has expired"):
            deployment.start_superlink(wait=4)
        assert not deployment.health()


def test_waiting_has_an_end(tmp_path: Path) -> None:
    with Deployment(tmp_path) as deployment, pytest.raises(DeploymentError, match=r"waited 0.2 s for: a miracle"):
        deployment.wait_for(lambda: False, 0.2, "a miracle")


def test_free_port_is_free() -> None:
    assert 1024 < free_port() < 65536
