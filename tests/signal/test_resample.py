"""The filter that is designed once against the one scipy designs every time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from cape_fed.signal.resample import resample

RATIOS = [
    (500, 1, 5),
    (400, 1, 4),
    (1000, 1, 10),
    (100, 5, 1),
    (257, 100, 257),
    (500, 4, 5),
    (128, 25, 32),
    (400, 5, 4),
]


@pytest.mark.parametrize(("fs", "up", "down"), RATIOS)
@pytest.mark.parametrize("samples", [1, 7, 333, 2570])
def test_equals_scipy(fs: int, up: int, down: int, samples: int) -> None:
    ecg = np.random.default_rng(samples).normal(0, 0.5, (3, samples))
    slow = resample_poly(ecg, up, down, axis=-1, window=("kaiser", 5.0), padtype="edge")
    fast = resample(ecg, fs, fs * up / down)
    assert fast.shape == slow.shape
    np.testing.assert_allclose(fast, slow, atol=1e-13)


def test_a_rate_that_is_not_whole_is_taken_as_it_is() -> None:
    ecg = np.random.default_rng(0).normal(0, 0.5, (2, 900))
    assert resample(ecg, 499.97, 100).shape == (2, 181)


def test_same_rate_is_untouched() -> None:
    ecg = np.random.default_rng(0).normal(size=(2, 50))
    assert resample(ecg, 100.001, 100) is ecg


def test_tone_keeps_its_amplitude_and_hum_is_removed() -> None:
    seconds = np.arange(5000) / 500
    tone, hum = np.sin(2 * np.pi * 10 * seconds), np.sin(2 * np.pi * 60 * seconds)
    out = resample(np.stack([tone, hum]), 500, 100)[:, 100:-100]
    assert out[0].std() * np.sqrt(2) == pytest.approx(1.0, abs=0.01)
    assert np.abs(out[1]).max() < 0.1
