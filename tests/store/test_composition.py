"""What is told of a cohort's patients, and what is left out because too few have it."""

from __future__ import annotations

import numpy as np

from cape_fed.store.composition import LEAST, compose
from tests.conftest import TinyStore


def test_counts_are_of_patients_and_small_ones_are_left_out(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=60)
    told = compose(store)
    patients = {code: np.flatnonzero(store.patients == code) for code in np.unique(store.patients)}
    sex = [store.label("sex")[rows[0]] for rows in patients.values()]
    assert (told.women, told.men) == (sum(value == 1 for value in sex), sum(value == 0 for value in sex))
    assert told.several == sum(len(rows) > 1 for rows in patients.values())
    assert told.age is not None
    ages = [store.label("age")[rows[0]] for rows in patients.values()]
    assert told.age == tuple(np.percentile(ages, (25, 50, 75)).round())
    having = sum((store.label("AF")[rows] == 1).any() for rows in patients.values())
    assert having >= LEAST
    assert told.labels["AF"] == having
    small = compose(tiny_store("b", patients=12))
    assert (small.women, small.men, small.several, small.age, small.labels) == (None, None, None, None, {})
