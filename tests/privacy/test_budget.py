"""ε of a site's patients: all rosters compose, the past does not go away, and nobody gets beyond the cap."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pytest

from cape_fed.privacy.accounting import Charge, epsilon_rdp
from cape_fed.privacy.budget import (
    current_roster,
    expose,
    exposed_patients,
    freeze,
    reserve,
    run_charges,
    site_delta,
    spending,
    worst_epsilon,
)
from cape_fed.privacy.ledger import Ledger, LedgerError
from cape_fed.privacy.roster import CohortRoster, Roster

STEPS = Charge(1.0, 0.05, 100)
DELTA = 1e-5


def roster_of(begin: int, end: int) -> Roster:
    return Roster(cohorts={"a": CohortRoster(slots=tuple(f"p{number:03d}" for number in range(begin, end)))})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "privacy", "a", tmp_path / "anchor")


def spend(ledger: Ledger, roster: Roster, request: str, charge: Charge = STEPS, cap: float = math.inf) -> None:
    reserve(ledger, roster, charge, run="run", request=request, cap=cap)


def test_all_runs_of_a_roster_compose(ledger: Ledger) -> None:
    roster = roster_of(0, 50)
    freeze(ledger, roster)
    assert current_roster(ledger) == roster
    for request in ("one", "two"):
        spend(ledger, roster, request)
    (spent,) = spending(ledger, roster)
    assert spent.patients == 50
    assert spent.charges == (STEPS._replace(steps=200),)
    assert spent.epsilon(DELTA) == epsilon_rdp([STEPS._replace(steps=200)], DELTA)
    assert run_charges(ledger, "run") == [STEPS._replace(steps=200)]
    assert spent.reported(DELTA) < spent.epsilon(DELTA)


def test_a_new_roster_composes_with_the_old_one_for_everyone_in_both(ledger: Ledger) -> None:
    old, new = roster_of(0, 50), roster_of(10, 70)
    for index, roster in enumerate((old, new)):
        freeze(ledger, roster)
        spend(ledger, roster, str(index))
    by_steps = {sum(charge.steps for charge in spent.charges): spent.patients for spent in spending(ledger, new)}
    assert by_steps == {100: 20, 200: 40}
    assert worst_epsilon(spending(ledger, new), DELTA) == epsilon_rdp([STEPS._replace(steps=200)], DELTA)


def test_training_without_privacy_is_infinite_from_then_on(ledger: Ledger) -> None:
    roster = roster_of(0, 50)
    freeze(ledger, roster)
    for _ in range(2):
        expose(ledger, roster_of(40, 45), "plain")
    assert len(ledger.entries()) == 3
    assert exposed_patients(ledger) == roster_of(40, 45).members
    assert worst_epsilon(spending(ledger, roster), DELTA) == math.inf
    assert {spent.patients: spent.exposed for spent in spending(ledger, roster)} == {5: True, 45: False}
    with pytest.raises(LedgerError, match=r"from inf to inf, privacy.epsilon in site.toml allows 8"):
        spend(ledger, roster, "one", cap=8.0)
    spend(ledger, roster_of(0, 40), "two", cap=8.0)


def test_a_name_that_is_taken_hides_no_exposure(ledger: Ledger) -> None:
    patients = roster_of(0, 50)
    spend(ledger, patients, f"plain: {patients.fingerprint}")
    with pytest.raises(LedgerError, match="was in the ledger already"):
        expose(ledger, patients, "plain")


def test_nobody_gets_beyond_the_cap(ledger: Ledger) -> None:
    roster = roster_of(0, 50)
    delta = site_delta(roster)
    cap = epsilon_rdp([STEPS._replace(steps=250)], delta)
    spend(ledger, roster, "one", cap=cap)
    spend(ledger, roster, "two", cap=cap)
    with pytest.raises(LedgerError, match="ε would go from"):
        spend(ledger, roster, "three", cap=cap)
    with pytest.raises(LedgerError, match="ε would go from"):
        spend(ledger, roster_of(49, 90), "one patient in common is enough", cap=cap)
    spend(ledger, roster, "four", STEPS._replace(steps=50), cap=cap)
    assert worst_epsilon(spending(ledger, roster), delta) <= cap


def test_a_run_that_could_not_end_within_the_cap_does_not_begin(ledger: Ledger) -> None:
    roster = roster_of(0, 50)
    with pytest.raises(LedgerError, match=r"ε would go from 0\.00"):
        reserve(ledger, roster, STEPS, run="run", request="one", cap=8.0, planned=10_000)
    assert spending(ledger, roster)[0].charges == ()


def test_patients_taken_out_of_what_was_frozen_are_noticed(ledger: Ledger) -> None:
    freeze(ledger, roster_of(0, 50))
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("DROP TRIGGER fixed")
        connection.execute("UPDATE rosters SET members = replace(members, '\"p003\",', '')")
    with pytest.raises(LedgerError, match="a roster was changed"):
        current_roster(ledger)
