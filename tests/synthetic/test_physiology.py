"""The parameters of the heart, between patients and between the visits of one patient."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.synthetic.physiology import draw_physiology
from cape_fed.synthetic.population import Population, draw_patients
from tests.synthetic.conftest import People


def test_visits_are_of_the_same_heart(people: People) -> None:
    patients = people.patients
    visits = people.visits
    assert visits.number.max() == 3
    np.testing.assert_array_equal(np.bincount(visits.patient), patients.visits)
    again = np.flatnonzero(visits.number > 0)
    assert (visits.age[again] >= visits.age[again - 1]).all()
    between = visits.physiology.amplitude.std()
    within = np.abs(visits.physiology.amplitude[again] - visits.physiology.amplitude[again - 1]).mean()
    assert within < 0.5 * between
    permanent = patients.af_burden[visits.patient] == 1
    assert visits.af[permanent].all()
    known = np.bincount(visits.patient, visits.af) > 0
    np.testing.assert_array_equal(known, patients.af_burden > 0)


def test_every_block_delays_qrs_and_nothing_else_does() -> None:
    rng = np.random.default_rng(0)
    patients = draw_patients(Population(65, 15, 0.5), 2000, rng)
    drawn = draw_physiology(patients, rng)
    np.testing.assert_array_equal(drawn.pr > 0.2, patients.avb1 > 0)
    assert drawn.qrs[patients.lbbb > 0].min() > drawn.qrs[patients.lbbb == 0].mean() + 0.02


@pytest.mark.parametrize(("name", "grows"), [("pr", True), ("qtc", True), ("amplitude", False), ("t_amplitude", False)])
def test_age_changes_the_heart(name: str, grows: bool) -> None:
    rng = np.random.default_rng(1)
    patients = draw_patients(Population(60, 18, 0.5), 4000, rng)
    values = getattr(draw_physiology(patients, rng), name)
    old, young = values[patients.age > 75].mean(), values[patients.age < 45].mean()
    assert bool(old > young) == grows


def test_entries_can_be_taken_repeatedly(people: People) -> None:
    index = np.array([3, 3, 0])
    taken = people.visits.take(index)
    np.testing.assert_array_equal(taken.age, people.visits.age[index])
    np.testing.assert_array_equal(taken.physiology.shape, people.visits.physiology.shape[index])
