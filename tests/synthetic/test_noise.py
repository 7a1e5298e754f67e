"""The noise in the eight recorded leads: its amplitude, its spectrum, and how the leads share it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cape_fed.synthetic.device import Device
from cape_fed.synthetic.noise import ELECTRODES_TO_LEADS, draw_noise

DEVICE = Device("noisy", fs=500)
SAMPLES = 6000
WANDER, MUSCLE, ELECTRONICS, MAINS = range(4)


def microvolts(kind: int, count: int = 60) -> NDArray[np.float64]:
    """Noise of one kind, 30 µV RMS at one electrode, ``[count, 8, SAMPLES]``."""
    levels = np.zeros((count, 4), np.float32)
    levels[:, kind] = 30.0
    return np.fft.irfft(draw_noise(DEVICE, levels, SAMPLES, np.random.default_rng(1)), SAMPLES) * 1000


@pytest.mark.parametrize("kind", [WANDER, MUSCLE, ELECTRONICS])
def test_noise_has_the_amplitude_asked_for(kind: int) -> None:
    between_two_electrodes = microvolts(kind)[:, 0].std(axis=-1)
    assert np.sqrt((between_two_electrodes**2).mean()) == pytest.approx(30 * np.sqrt(2) * np.exp(0.09), rel=0.2)


@pytest.mark.parametrize(("kind", "low", "high"), [(WANDER, 0.0, 2.0), (MUSCLE, 15.0, 120.0), (MAINS, 49.0, 151.0)])
def test_each_kind_has_its_band(kind: int, low: float, high: float) -> None:
    power = (np.abs(np.fft.rfft(microvolts(kind))) ** 2).mean(axis=(0, 1))
    hz = np.fft.rfftfreq(SAMPLES, 1 / DEVICE.fs)
    assert power[(hz >= low) & (hz <= high)].sum() > 0.7 * power.sum()


def test_leads_that_share_an_electrode_share_its_noise() -> None:
    """I and II both have the right arm as their negative pole; V1 and V6 share the limb electrodes only."""
    noise = microvolts(ELECTRONICS, 200)

    def correlation(one: int, two: int) -> float:
        return float(np.mean([np.corrcoef(record[one], record[two])[0, 1] for record in noise]))

    assert correlation(0, 1) == pytest.approx(0.5, abs=0.07)
    assert 0.1 < correlation(2, 7) < 0.35


def test_a_voltage_common_to_all_electrodes_is_in_no_lead() -> None:
    np.testing.assert_allclose(ELECTRODES_TO_LEADS.sum(axis=1), 0, atol=1e-6)
