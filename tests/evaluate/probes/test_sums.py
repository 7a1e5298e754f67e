from __future__ import annotations

from pathlib import Path

import numpy as np

from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.evaluate.probes.representation import DEMOGRAPHICS, Representation
from cape_fed.evaluate.probes.sums import add_sums, cohort_sums
from cape_fed.store.split import split_patients
from tests.evaluate.fake import embedding, make_store


def test_sums_are_over_annotated_records_without_hidden_columns(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=60, AF=[None if row % 2 else True for row in range(90)])
    (cohort,) = make_cohorts([store], [], {"a": split_patients(store, 0)}, ["age", "AF"])
    for method in (Representation("m", embedding(knows=1.0)), DEMOGRAPHICS):
        features = method.features(store)
        sums = cohort_sums(cohort, features, method)
        for task in ("age", "AF"):
            rows = cohort.train[np.isfinite(cohort.targets[task][cohort.train])]
            chosen = features[rows].astype(float)[:, method.columns(task, features.shape[1])]
            assert sums[task].train.n == sums[task].support.n == len(rows)
            np.testing.assert_allclose(sums[task].train.x, chosen.sum(0))
            np.testing.assert_allclose(sums[task].train.xx, chosen.T @ chosen)


def test_adding_takes_what_each_has(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=60)
    (cohort,) = make_cohorts([store], [], {"a": split_patients(store, 0)}, ["age", "AF"])
    method = Representation("m", embedding(knows=1.0))
    sums = cohort_sums(cohort, method.features(store), method)
    total = add_sums([sums, {"AF": sums["AF"]}, {}])
    assert list(total) == ["age", "AF"]
    assert total["age"] is sums["age"]
    assert total["AF"].train.n == 2 * sums["AF"].train.n
    assert total["AF"].support.patients == 2 * sums["AF"].support.patients
