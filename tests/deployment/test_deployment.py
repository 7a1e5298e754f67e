"""Deployments for tests: unregistered keys are refused, a failed start shows the logs, waiting has an end."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from tests.deployment.certificates import make_certificates
from tests.deployment.deployment import Deployment
from tests.deployment.hospitals import Hospitals
from tests.deployment.host import DeploymentError
from tests.deployment.superlink import free_port


def test_an_unregistered_key_is_refused(hospitals: Hospitals) -> None:
    stranger = hospitals.start_site("a", wait=0)
    hospitals.deployment.wait_for(lambda: stranger.returncode is not None, 60, "the stranger's end")
    assert stranger.returncode != 0
    assert "SuperNode ID:" not in stranger.output()


def test_a_failed_start_shows_the_logs(tmp_path: Path) -> None:
    expired = make_certificates(tmp_path / "tls", valid=(timedelta(days=-2), timedelta(days=-1)))
    with Deployment(tmp_path / "deployment", certificates=expired) as deployment:
        deployment.link.start(wait=0)
        log = deployment.logs()["superlink"]
        deployment.wait_for(lambda: "certificate has expired" in log.read_text(), 60, "the refusal in the log")
        with pytest.raises(DeploymentError, match=r"health answer\n--- superlink(.|\n)*certificate has expired"):
            deployment.link.wait_healthy(0.1)


def test_waiting_has_an_end(tmp_path: Path) -> None:
    with Deployment(tmp_path) as deployment, pytest.raises(DeploymentError, match=r"waited 0.2 s for: a miracle"):
        deployment.wait_for(lambda: False, 0.2, "a miracle")


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))
