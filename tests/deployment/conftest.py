"""Fixtures of real deployments: stores once a session, a SuperLink a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.harness import Deployment, unavailable
from tests.deployment.hospitals import Hospitals, stage_faulty_app, write_cohorts


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohorts(tmp_path_factory.mktemp("cohorts"))


@pytest.fixture
def hospitals(tmp_path: Path, cohorts: Path) -> Iterator[Hospitals]:
    if reason := unavailable():
        pytest.skip(reason)
    with Deployment(tmp_path / "deployment") as deployment:
        deployment.start_superlink()
        yield Hospitals(deployment, cohorts)


@pytest.fixture
def faulty(hospitals: Hospitals, tmp_path: Path) -> Hospitals:
    """Hospitals whose ClientApp goes wrong where a site's environment says so."""
    app = stage_faulty_app(tmp_path / "faulty-app")
    hospitals.env = {"PYTHONPATH": str(app)}
    return hospitals
