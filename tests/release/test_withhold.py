"""Names of sites leave a bundle only where their sites agreed."""

from __future__ import annotations

import pytest

from cape_fed.errors import InputError
from cape_fed.release.protection import Protection, SiteProtection
from cape_fed.release.provenance import Participation, Provenance
from cape_fed.release.withhold import withhold_names
from cape_fed.store.composition import Composition
from cape_fed.store.counts import CohortCounts

SPENT = SiteProtection(
    patients=10, noise_multiplier=1, sample_rate=0.1, steps=3, delta=1e-5, epsilon=2, epsilon_prv=1
)  # fmt: skip


def federation() -> Provenance:
    before = Provenance(cohorts={"clinic/ecg": CohortCounts(records=900, patients=800, fingerprint="z")})
    return Provenance(
        cohorts={
            "clinic/ecg": CohortCounts(records=30, patients=20, fingerprint="x"),
            "mercy/cardio": CohortCounts(records=300, patients=200, fingerprint="y"),
            "mercy/holter": CohortCounts(records=3, patients=2),
        },
        composition={"mercy/cardio": Composition(women=100)},
        participation={
            "mercy": Participation(rounds=2, cohorts=["cardio", "holter"]),
            "clinic": Participation(rounds=1, cohorts=["ecg"]),
        },
        privacy=Protection(block=4, clip=1, views=2, sites={"clinic": SPENT, "mercy": SPENT}),
        started_from=before,
        rounds=2,
    )


def test_no_site_that_did_not_agree_is_named_anywhere() -> None:
    text = withhold_names(federation(), []).model_dump_json()
    assert not [name for name in ("clinic", "mercy", "cardio", "holter", "ecg") if name in text]


def test_who_agreed_keeps_the_name_and_numbers_stay() -> None:
    shown = withhold_names(federation(), ["mercy"])
    assert shown.cohorts.keys() == {"SITE-1/cohort-1", "mercy/cardio", "mercy/holter"}
    assert shown.cohorts["SITE-1/cohort-1"].patients == 20
    assert shown.participation["SITE-1"].cohorts == ["cohort-1"]
    assert shown.participation["mercy"].cohorts == ["cardio", "holter"]
    assert shown.privacy is not None
    assert shown.privacy.sites.keys() == {"SITE-1", "mercy"}
    assert shown.composition["mercy/cardio"].women == 100
    assert shown.started_from is not None
    assert shown.started_from.cohorts.keys() == {"SITE-1/cohort-1"}
    assert withhold_names(shown, ["mercy"]) == shown


def test_a_store_is_still_known_by_its_fingerprint() -> None:
    shown = withhold_names(federation(), [])
    assert shown.trained_as("cardio") == {}
    assert [counts.patients for counts in shown.trained_as("cardio", "y").values()] == [200]
    assert shown.trained_as("cardio", "") == {}


def test_a_name_that_is_no_site_is_refused_and_cohorts_of_no_site_stay() -> None:
    with pytest.raises(InputError, match="mersey took no part in this encoder"):
        withhold_names(federation(), ["mersey"])
    central = Provenance(cohorts={"ptbxl": CohortCounts(records=3, patients=3)})
    assert withhold_names(central, []) == central
