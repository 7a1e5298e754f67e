"""Both classifiers name cohorts that lie apart, and the linear one a cohort between two others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.evaluate.artefact.classifiers import Fit, fit_linear, fit_neighbours
from cape_fed.evaluate.artefact.sides import Side
from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.store.split import split_patients
from tests.evaluate.fake import make_store


@pytest.mark.parametrize("fit", [fit_linear, fit_neighbours])
def test_three_cohorts_in_a_row_are_named(tmp_path: Path, fit: Fit) -> None:
    stores = [make_store(tmp_path / name, name, seed=seed, patients=60) for seed, name in enumerate("abc")]
    cohorts = make_cohorts(stores, [], {store.cohort: split_patients(store, 0) for store in stores}, [])
    sides = [Side(cohort, cohort.train, cohort.valid, cohort.tested["within"]) for cohort in cohorts]
    rng = np.random.default_rng(0)
    features = {
        side.name: (5 * place + rng.standard_normal((len(side.cohort.store), 4))).astype(np.float32)
        for place, side in enumerate(sides)
    }
    name_cohort = fit(sides, features, EvaluateOptions())
    for number, side in enumerate(sides):
        assert (name_cohort(features[side.name][side.test]) == number).mean() > 0.95
        assert len(name_cohort(features[side.name][:0])) == 0
