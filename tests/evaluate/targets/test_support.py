from __future__ import annotations

import numpy as np

from cape_fed.evaluate.targets.registry import metrics_of, targets_of, task_names
from cape_fed.evaluate.targets.support import support_of
from tests.evaluate.fake import make_store


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


def test_tasks_are_those_that_any_store_annotates(tmp_path) -> None:
    one = make_store(tmp_path / "one", "one", seed=0, patients=10, LBBB=[None] * 15)
    two = make_store(tmp_path / "two", "two", seed=0, patients=10, AF=[None] * 15, NORM=[True] * 15)
    assert task_names([one, two]) == ["age", "sex", "AF", "LBBB", "NORM"]
    targets = targets_of(one, ["age", "sex", "LBBB", "NORM"])
    assert np.isfinite(targets["age"]).all()
    assert set(targets["sex"]) == {0.0, 1.0}
    assert np.isnan(targets["LBBB"]).all()
    assert np.isnan(targets["NORM"]).all()
    assert metrics_of("age") == ("mae", "r2")
    assert metrics_of("sex") == ("auroc", "auprc")
