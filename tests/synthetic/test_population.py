"""The patients of a population: demographics, and how often each illness occurs."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.synthetic.population import OLDEST, RISKS, YOUNGEST, Population, draw_patients


def test_population_is_what_was_asked_for() -> None:
    patients = draw_patients(Population(60, 12, 0.3), 5000, np.random.default_rng(0))
    assert patients.age.mean() == pytest.approx(60, abs=1)
    assert patients.female.mean() == pytest.approx(0.3, abs=0.03)
    assert patients.age.min() >= YOUNGEST
    assert patients.age.max() <= OLDEST
    assert np.bincount(patients.visits)[1:].min() > 0
    assert patients.visits.max() == 4


@pytest.mark.parametrize("name", ["af_burden", "lbbb", "lvh", "mi", "avb1"])
def test_illness_grows_with_age(name: str) -> None:
    patients = draw_patients(Population(60, 18, 0.5), 8000, np.random.default_rng(1))
    ill = getattr(patients, name) > 0
    assert ill[patients.age > 70].mean() > 1.5 * ill[patients.age < 50].mean()


def test_factors_scale_an_illness() -> None:
    few, many = (
        draw_patients(Population(60, 10, 0.5, {"MI": factor}), 4000, np.random.default_rng(2)).mi > 0
        for factor in (0.5, 1.5)
    )
    assert many.mean() == pytest.approx(3 * few.mean(), rel=0.3)


def test_nobody_has_a_readable_scar_behind_a_bundle_branch_block() -> None:
    patients = draw_patients(Population(80, 8, 0.5, dict.fromkeys(RISKS, 3.0)), 2000, np.random.default_rng(3))
    blocked = patients.lbbb > 0
    assert blocked.any()
    assert not patients.mi[blocked].any()
    assert not patients.lvh[blocked].any()
