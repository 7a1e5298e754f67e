"""The kernels of a beat, and what illness does to them."""

from __future__ import annotations

import numpy as np

from cape_fed.synthetic.physiology import KERNELS
from cape_fed.synthetic.waves import QRS, ST, T, vector_angle
from tests.synthetic.conftest import People


def test_af_has_no_p_dipole_and_lbbb_no_t_along_qrs(people: People) -> None:
    patients = people.patients
    visits = people.visits
    kernels = people.kernels
    assert not kernels.dipole[visits.af, :2].any()
    blocked = patients.lbbb[visits.patient] > 0
    along = (kernels.dipole[blocked, T] * kernels.dipole[blocked, 3:5].sum(axis=1)).sum(axis=-1)
    assert blocked.any()
    assert (along < 0).all()


def test_vector_angle_inverts_the_leads() -> None:
    axis = np.array([-60.0, 0.0, 45.0, 100.0], np.float32)
    angle = np.deg2rad(vector_angle(axis))
    one = 0.632 * np.cos(angle) - 0.235 * np.sin(angle)
    avf = -0.081 * np.cos(angle) + 1.184 * np.sin(angle)
    np.testing.assert_allclose(np.rad2deg(np.arctan2(avf * 2 / np.sqrt(3), one)), axis, atol=0.01)


def test_kernels_follow_each_other_as_the_heart_is_activated(people: People) -> None:
    centre = people.kernels.centre
    assert (np.diff(centre[:, : QRS.stop], axis=1) > 0).all()
    assert (centre[:, QRS.stop - 1] < centre[:, ST]).all()
    assert (centre[:, ST] < centre[:, T]).all()
    assert KERNELS[QRS] == ("septal", "apical", "lateral", "basal")


def test_the_t_wave_ends_with_the_qt_interval(people: People) -> None:
    kernels = people.kernels
    end = kernels.centre[:, T] + 2 * kernels.fall[:, T]
    np.testing.assert_allclose(end, people.visits.physiology.qtc, rtol=1e-5)
