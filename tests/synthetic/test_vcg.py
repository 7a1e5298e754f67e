"""Beats and kernels rendered as leads: the fast sum of kernels against a slow one."""

from __future__ import annotations

import numpy as np

from cape_fed.synthetic.physiology import KERNELS
from cape_fed.synthetic.rhythm import draw_beats
from cape_fed.synthetic.torso import draw_torsos, place_electrodes
from cape_fed.synthetic.vcg import _activity, render
from tests.synthetic.conftest import People

FS = 250.0
SAMPLES = 3000


def test_trains_equal_a_slow_sum_of_gaussians(people: People) -> None:
    visits = people.visits
    kernels = people.kernels
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


def test_rendered_leads_have_the_amplitude_of_an_ecg(people: People) -> None:
    rng = np.random.default_rng(3)
    leads = place_electrodes(draw_torsos(people.patients.female, rng)[people.visits.patient], rng)
    ecg, beats = render(people.visits, people.kernels, leads, FS, SAMPLES, rng)
    assert ecg.shape == (len(leads), 8, SAMPLES)
    assert np.abs(ecg).max() < 10
    assert np.median(np.ptp(ecg, axis=-1)) > 0.3
    np.testing.assert_array_equal(np.unique(beats.record), np.arange(len(leads)))
