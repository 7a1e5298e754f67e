"""Beats, kernels and leads before any device."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.synthetic.physiology import KERNELS, Visits, draw_physiology, draw_visits
from cape_fed.synthetic.population import Patients, Population, draw_patients
from cape_fed.synthetic.rhythm import SHORTEST_RR, draw_beats, fibrillatory_waves, mean_rate
from cape_fed.synthetic.torso import draw_torsos, place_electrodes, twelve_leads
from cape_fed.synthetic.vcg import _activity, render
from cape_fed.synthetic.waves import Kernels, T, draw_kernels, vector_angle

FS = 250.0
SAMPLES = 3000


@pytest.fixture(scope="module")
def people() -> tuple[Patients, Visits, Kernels]:
    rng = np.random.default_rng(1)
    patients = draw_patients(Population(65, 15, 0.5, {"AF": 2.0}), 40, rng)
    visits = draw_visits(patients, draw_physiology(patients, rng), rng)
    return patients, visits, draw_kernels(patients, visits)


def test_trains_equal_a_slow_sum_of_gaussians(people: tuple[Patients, Visits, Kernels]) -> None:
    _, visits, kernels = people
    beats = draw_beats(visits, SAMPLES / FS, np.random.default_rng(2))
    fast = _activity(beats, kernels, len(visits.age), FS, SAMPLES)
    t = np.arange(SAMPLES) / FS
    for record in range(0, len(visits.age), 7):
        mine = beats.record == record
        for kernel in range(len(KERNELS)):
            slow = np.zeros(SAMPLES)
            for start, rr in zip(beats.time[mine], beats.rr[mine], strict=True):
                stretch = np.cbrt(rr) if kernel >= KERNELS.index("ST") else 1.0
                away = t - start - kernels.centre[record, kernel] * stretch
                side = np.where(away < 0, kernels.rise[record, kernel], kernels.fall[record, kernel])
                slow += np.exp(-0.5 * (away / (side * np.sqrt(stretch))) ** 2)
            np.testing.assert_allclose(fast[record, kernel], slow, atol=2e-3)


def test_limb_identities_hold(people: tuple[Patients, Visits, Kernels]) -> None:
    patients, visits, kernels = people
    rng = np.random.default_rng(3)
    leads = place_electrodes(draw_torsos(patients.female, rng)[visits.patient], rng)
    ecg, _ = render(visits, kernels, leads, FS, SAMPLES, rng)
    one, two, three, avr, avl, avf = twelve_leads(ecg).swapaxes(0, 1)[:6]
    np.testing.assert_allclose(one + three, two, atol=1e-5)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-5)
    np.testing.assert_allclose(avf, (two + three) / 2, atol=1e-5)
    assert np.abs(ecg).max() < 10


def test_beats_are_ordered_and_never_too_close(people: tuple[Patients, Visits, Kernels]) -> None:
    _, visits, _ = people
    beats = draw_beats(visits, 12.0, np.random.default_rng(4))
    for record in range(len(visits.age)):
        time = beats.time[beats.record == record]
        assert np.diff(time).min() > SHORTEST_RR - 1e-4
        assert time[0] < 1.7
        assert time[-1] > 10.5
    rate = mean_rate(beats, visits, 1.0, 11.0)
    sinus = ~visits.af
    assert np.abs(rate - visits.physiology.rate)[sinus].mean() < 2.5


def test_rate_without_two_beats_is_the_drawn_one(people: tuple[Patients, Visits, Kernels]) -> None:
    _, visits, _ = people
    beats = draw_beats(visits, 12.0, np.random.default_rng(4))
    np.testing.assert_array_equal(mean_rate(beats, visits, 5.0, 5.1), visits.physiology.rate)


def test_fibrillatory_waves_have_their_band() -> None:
    waves = fibrillatory_waves(50, 5000, 500.0, np.random.default_rng(5))
    power = (np.abs(np.fft.rfft(waves)) ** 2).mean(axis=0)
    hz = np.fft.rfftfreq(5000, 1 / 500)
    assert power[(hz > 3.5) & (hz < 18)].sum() > 0.9 * power.sum()
    assert 0.01 < waves.std() < 0.1


def test_af_has_no_p_dipole_and_lbbb_no_t_along_qrs(people: tuple[Patients, Visits, Kernels]) -> None:
    patients, visits, kernels = people
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


def test_chest_electrodes_move_a_little(people: tuple[Patients, Visits, Kernels]) -> None:
    patients, _, _ = people
    rng = np.random.default_rng(6)
    torso = draw_torsos(patients.female, rng)
    moved = place_electrodes(torso, rng)
    away = np.linalg.norm(moved - torso, axis=-1) / np.linalg.norm(torso, axis=-1)
    assert 0.02 < np.median(away) < 0.3


def test_visits_are_of_the_same_heart(people: tuple[Patients, Visits, Kernels]) -> None:
    patients, visits, _ = people
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
