"""Fixtures of real deployments: the stores are written once, a SuperLink is started for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.deployment import Deployment, unavailable
from tests.deployment.hospitals import Hospitals, packed, stage_faulty_app, write_cohorts


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohorts(tmp_path_factory.mktemp("cohorts"))


@pytest.fixture
def hospitals(tmp_path: Path, cohorts: Path) -> Iterator[Hospitals]:
    if reason := unavailable():
        pytest.skip(reason)
    with Deployment(tmp_path / "deployment") as deployment:
        deployment.link.start()
        yield Hospitals(deployment, cohorts)


@pytest.fixture
def faulty(hospitals: Hospitals, tmp_path: Path) -> Hospitals:
    """Hospitals whose ClientApps fail as the environment of a site asks."""
    app = stage_faulty_app(tmp_path / "faulty-app")
    hospitals.env, hospitals.app = {"PYTHONPATH": str(app)}, packed(app)
    return hospitals
