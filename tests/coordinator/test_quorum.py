"""A quorum of sites and of their patients."""

from __future__ import annotations

import pytest

from cape_fed.coordinator.quorum import below_quorum
from cape_fed.federation.config import FederationConfig

PATIENTS = {"a": 100, "b": 100, "c": 800}


@pytest.mark.parametrize(
    ("counted", "sites", "patients", "lacking"),
    [
        ("abc", 1.0, 1.0, None),
        ("ab", 0.5, 0.0, None),
        ("a", 0.5, 0.0, "1 of 3 training sites, 2 needed"),
        ("ab", 0.5, 0.5, "200 of 1000 training patients, 500 needed"),
        ("c", 0.0, 0.5, None),
        ("", 0.0, 0.0, "0 of 3 training sites, 1 needed"),
        ("bc", 1.0, 0.0, "2 of 3 training sites, 3 needed"),
    ],
)
def test_what_is_missing_is_said(counted: str, sites: float, patients: float, lacking: str | None) -> None:
    config = FederationConfig(quorum=sites, quorum_patients=patients)
    assert below_quorum(config, set(counted), set(PATIENTS), PATIENTS) == lacking


def test_a_share_that_is_a_whole_number_is_enough() -> None:
    """0.28 · 25 is a little more than 7 in floats."""
    sites = {f"s{number}": 1 for number in range(25)}
    config = FederationConfig(quorum=0.28, quorum_patients=0.28)
    assert below_quorum(config, set(sorted(sites)[:7]), set(sites), sites) is None
    assert below_quorum(config, set(sorted(sites)[:6]), set(sites), sites) == "6 of 25 training sites, 7 needed"


def test_a_site_that_never_said_how_many_counts_as_none() -> None:
    config = FederationConfig(quorum=0.0, quorum_patients=0.5)
    assert below_quorum(config, {"new"}, {"new", "a"}, PATIENTS) == "0 of 100 training patients, 50 needed"
