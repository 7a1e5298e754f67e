from __future__ import annotations

import numpy as np

from cape_fed.evaluate.targets.support import support_of


def test_patients_are_counted_and_not_records() -> None:
    target = np.array([1.0, 1.0, 1.0, 0.0, 0.0, np.nan])
    patients = np.array([0, 0, 0, 0, 1, 2])
    support = support_of(target, patients)
    assert (support.n, support.n_pos) == (5, 3)
    assert (support.patients, support.patients_pos, support.patients_neg) == (2, 1, 2)
    assert support.enough("AF", 1)
    assert not support.enough("AF", 2)
    assert support.enough("age", 2)
    assert not support.enough("age", 3)


def test_support_of_two_cohorts_adds_up() -> None:
    total = support_of(np.array([1.0, 0.0]), np.array([0, 1])) + support_of(np.array([1.0]), np.array([0]))
    assert (total.n, total.patients_pos, total.patients_neg) == (3, 2, 1)
