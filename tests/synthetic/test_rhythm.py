"""The times of the beats, and the waves of fibrillating atria."""

from __future__ import annotations

import numpy as np

from cape_fed.synthetic.rhythm import SHORTEST_RR, draw_beats, fibrillatory_waves, mean_rate
from tests.synthetic.conftest import People


def test_beats_are_ordered_and_never_too_close(people: People) -> None:
    visits = people.visits
    beats = draw_beats(visits, 12.0, np.random.default_rng(4))
    for record in range(len(visits.age)):
        time = beats.time[beats.record == record]
        assert np.diff(time).min() > SHORTEST_RR - 1e-4
        assert time[0] < 1.7
        assert time[-1] > 10.5
    rate = mean_rate(beats, visits, 1.0, 11.0)
    sinus = ~visits.af
    assert np.abs(rate - visits.physiology.rate)[sinus].mean() < 2.5


def test_rate_without_two_beats_is_the_drawn_one(people: People) -> None:
    visits = people.visits
    beats = draw_beats(visits, 12.0, np.random.default_rng(4))
    np.testing.assert_array_equal(mean_rate(beats, visits, 5.0, 5.1), visits.physiology.rate)


def test_fibrillatory_waves_have_their_band() -> None:
    waves = fibrillatory_waves(50, 5000, 500.0, np.random.default_rng(5))
    power = (np.abs(np.fft.rfft(waves)) ** 2).mean(axis=0)
    hz = np.fft.rfftfreq(5000, 1 / 500)
    assert power[(hz > 3.5) & (hz < 18)].sum() > 0.9 * power.sum()
    assert 0.01 < waves.std() < 0.1
