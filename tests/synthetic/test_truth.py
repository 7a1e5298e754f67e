"""The table of the truth: its labels agree with each other and with its numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cape_fed.synthetic.catalogue import SPECS
from cape_fed.synthetic.cohort import make_cohort
from cape_fed.synthetic.torso import draw_torsos
from cape_fed.synthetic.truth import MEASURED, describe, frontal_axis
from tests.synthetic.conftest import People


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return pd.concat([batch.truth for batch in make_cohort(SPECS[2], 128, 0)], ignore_index=True)


def test_labels_agree_with_each_other(truth: pd.DataFrame) -> None:
    ill = truth[["AF", "SBRAD", "STACH", "AVB1", "LBBB", "MI", "LVH"]].any(axis=1)
    assert (truth.NORM ^ ill).all()
    assert (truth.SINUS ^ truth.AF).all()
    assert truth.pr.isna().equals(truth.AF)
    assert (truth[truth.SBRAD].rate < 60).all()
    assert (truth[truth.STACH].rate > 100).all()
    assert ((truth.mi_territory != "") == truth.MI).all()


def test_qt_follows_the_cube_root_of_the_rr_interval(truth: pd.DataFrame) -> None:
    np.testing.assert_allclose(truth.qt, truth.qtc * np.cbrt(60 / truth.rate), rtol=1e-5)


def test_every_record_has_a_row_in_the_order_of_the_visits(people: People) -> None:
    rng = np.random.default_rng(0)
    leads = draw_torsos(people.patients.female, rng)[people.visits.patient]
    measured = np.full((len(leads), len(MEASURED)), 70, np.float32)
    table = describe(people.patients, people.visits, people.kernels, leads, measured)
    np.testing.assert_array_equal(table.patient, people.visits.patient)
    np.testing.assert_array_equal(table.visit, people.visits.number + 1)
    np.testing.assert_array_equal(table.sex == "F", people.patients.female[people.visits.patient])
    assert (table[list(MEASURED)] == 70).all(axis=None)


def test_the_axis_is_the_angle_of_leads_one_and_avf(people: People) -> None:
    """Here lead I sees x and aVF sees y, so that the axis is the angle of the area of QRS in that plane."""
    leads = np.zeros((len(people.visits.patient), 8, 3), np.float32)
    leads[:, 0, 0] = leads[:, 1, 1] = 1  # so that aVF = II - I / 2 sees y alone
    leads[:, 1, 0] = 0.5
    area = np.einsum("nk,nkd->nd", people.kernels.rise[:, 2:6], people.kernels.dipole[:, 2:6])
    expected = np.rad2deg(np.arctan2(area[:, 1] * 2 / np.sqrt(3), area[:, 0]))
    np.testing.assert_allclose(frontal_axis(people.kernels, leads), expected, atol=0.01)
