from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cape_fed.signal.quality import ACTION, DROP, REMEDY, Quality, amplitude, assess
from tests.archive.files import ecg

RATES = (100.0, 257.0, 400.0, 500.0, 1000.0)


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("step", [0.001, 0.005, 0.02])
def test_a_clean_ecg_has_no_flag_at_any_rate_and_adc_step(fs: float, step: float) -> None:
    signal = (np.rint(ecg(1, fs) / step) * step).astype(np.float32)
    assert assess(signal, fs) == Quality(0)


def test_every_flag_has_an_action_and_a_remedy() -> None:
    assert set(ACTION) == set(REMEDY) == set(Quality)
    assert Quality(0) != DROP & Quality.NO_SIGNAL


def test_missing_lead() -> None:
    signal = ecg()
    signal[7] = np.nan
    assert assess(signal, 500) == Quality.MISSING_LEAD


def test_flat_lead_is_told_from_a_violated_identity() -> None:
    signal = ecg()
    signal[2] = 0.4
    assert assess(signal, 500) == Quality.FLAT_LEAD


def test_missing_samples() -> None:
    signal = ecg()
    signal[3, 100:130] = np.nan
    assert assess(signal, 500) == Quality.NON_FINITE
    signal[:, 1000:] = np.nan
    assert assess(signal, 500) & Quality.MOSTLY_NON_FINITE


@pytest.mark.parametrize("value", [0.0, np.nan, 3.0])
def test_no_signal(value: float) -> None:
    flags = assess(np.full((12, 5000), value, np.float32), 500)
    assert flags & Quality.NO_SIGNAL
    assert flags & DROP


@pytest.mark.parametrize("samples", [0, 1, 2, 999])
def test_short(samples: int) -> None:
    assert assess(ecg()[:, :samples], 500) & Quality.SHORT


@pytest.mark.parametrize("factor", [1000, 30, 0.03, 0.001])
def test_amplitude_beyond_any_ecg(factor: float) -> None:
    assert assess(ecg() * np.float32(factor), 500) & (Quality.GAIN | Quality.NO_SIGNAL)


def test_clipped_by_the_store() -> None:
    signal = ecg()
    signal[6, 2000] = 40.0
    assert assess(signal, 500) == Quality.CLIPPED


@pytest.mark.parametrize("lead", range(6))
def test_a_limb_lead_upside_down_violates_an_identity(lead: int) -> None:
    signal = ecg()
    signal[lead] *= -1
    assert assess(signal, 500) & Quality.LIMB_IDENTITY


def test_limb_leads_in_the_wrong_order_violate_an_identity() -> None:
    signal = ecg()
    signal[[0, 1]] = signal[[1, 0]]
    assert assess(signal, 500) & Quality.LIMB_IDENTITY


def test_noise_of_each_lead_and_transients_at_the_ends_violate_no_identity() -> None:
    signal = ecg() + np.random.default_rng(0).normal(0, 0.012, (12, 5000)).astype(np.float32)
    signal[1, :6] += 3
    signal[1, -2:] = 0
    assert not assess(signal, 500) & Quality.LIMB_IDENTITY


def test_samples_missing_in_one_limb_lead_violate_no_identity() -> None:
    signal = ecg()
    signal[1, 1000:3000] = np.nan
    assert assess(signal, 500) == Quality.NON_FINITE


def test_precordial_leads_alone_are_judged_too() -> None:
    signal = ecg()
    signal[:6] = np.nan
    assert assess(signal, 500) == Quality.MISSING_LEAD


@pytest.mark.parametrize("fs", RATES)
def test_clipped_peaks_are_saturated(fs: float) -> None:
    signal = 4 * ecg(2, fs)
    signal[8] = np.minimum(signal[8], 0.5 * signal[8].max())
    assert assess(signal, fs) == Quality.SATURATED


def test_a_lead_stuck_between_its_extremes_is_saturated() -> None:
    signal = ecg()
    signal[9, 1200:1500] = 3.71
    signal[9, 1600] = 3.72
    assert assess(signal, 500) == Quality.SATURATED


def test_the_readers_verdict_counts() -> None:
    assert assess(ecg(), 500, saturated_leads=1 << 4) == Quality.SATURATED


def test_pacemaker_spikes_are_not_a_wrong_gain() -> None:
    signal = ecg()
    signal[:, 53::397] += 15
    assert not assess(signal, 500) & Quality.GAIN


def test_amplitude_follows_the_gain_and_forgives_missing_leads() -> None:
    signal = ecg()
    values = [amplitude(signal * np.float32(factor), 500) for factor in (0.5, 1, 2)]
    assert all(high == pytest.approx(2 * low, rel=1e-5) for low, high in pairwise(values))
    signal[9:] = np.nan
    assert 0.3 < amplitude(signal, 500) < 3
    assert np.isnan(amplitude(np.zeros((12, 1000), np.float32), 500))


def test_the_signal_is_left_alone() -> None:
    signal = ecg()
    signal[3, :9] = np.nan
    before = signal.copy()
    assess(signal, 500)
    np.testing.assert_array_equal(signal, before)
