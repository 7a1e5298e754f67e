"""Recordings carry the signature that the specification of their device claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import welch

from cape_fed.synthetic.device import Device
from cape_fed.synthetic.recorder import COUNT_LIMIT, SETTLING, record, span

PLAIN = Device("plain", fs=500, hum=0.001, wander=0.001, muscle=0.001, floor=0.001, spread=0, gain_spread=0, adc_step=1)


def flat_line(device: Device, count: int = 8) -> NDArray[np.float32]:
    return np.zeros((count, 8, span(device)), np.float32)


def microvolts(device: Device, leads: NDArray[np.float32], seed: int = 0) -> NDArray[Any]:
    """``leads`` as ``device`` records them, ``[n, 12, samples]`` in µV."""
    return record(device, leads, np.random.default_rng(seed)).counts.swapaxes(1, 2) * device.adc_step


def sine(device: Device, hz: float) -> NDArray[np.float32]:
    t = np.arange(span(device)) / device.fs
    return np.broadcast_to(np.sin(2 * np.pi * hz * t), (2, 8, len(t))).astype(np.float32)


@pytest.mark.parametrize("mains", [50, 60])
def test_hum_is_at_the_mains_and_its_harmonics(mains: int) -> None:
    device = replace(PLAIN, mains=mains, hum=20.0, adc_step=0.1)  # type: ignore[arg-type]
    hz, power = welch(microvolts(device, flat_line(device))[:, 6:], fs=500, nperseg=2500)
    power = power.mean(axis=(0, 1))
    assert abs(hz[power.argmax()] - mains) < 0.4
    for harmonic in (1, 2, 3):
        near = np.abs(hz - harmonic * mains) < 1
        aside = (np.abs(hz - harmonic * mains) > 4) & (np.abs(hz - harmonic * mains) < 10)
        assert power[near].max() > 100 * power[aside].max()


def test_no_hum_above_half_the_sampling_rate() -> None:
    """At 250 Hz the third harmonic of 50 Hz would be aliased to 100 Hz, where it would exceed the second harmonic."""
    device = replace(PLAIN, fs=250, hum=20.0, lowpass=1000, adc_step=0.1)
    hz, power = welch(microvolts(device, flat_line(device))[:, 6:], fs=250, nperseg=1250)
    power = power.mean(axis=(0, 1))
    assert power[np.abs(hz - 100) < 1].sum() < 0.05 * power[np.abs(hz - 50) < 1].sum()


def test_hum_drifts_in_amplitude() -> None:
    device = replace(PLAIN, hum=50.0, adc_step=0.1)
    hum = microvolts(device, flat_line(device, 20))[:, 7].reshape(20, 10, 500).std(axis=-1)
    assert (hum.std(axis=1) / hum.mean(axis=1)).mean() > 0.1


@pytest.mark.parametrize(("hz", "expected"), [(0.5, 0.707), (10.0, 1.0), (40.0, 0.707), (120.0, 0.04)])
def test_band_limits(hz: float, expected: float) -> None:
    device = replace(PLAIN, highpass=0.5, lowpass=40, lowpass_order=3, seconds=20)
    out = microvolts(device, sine(device, hz))[:, 0, 1000:-1000] / 1000
    assert np.sqrt(2) * out.std() == pytest.approx(expected, rel=0.12)


def test_gain_error_is_not_in_the_header() -> None:
    device = replace(PLAIN, gain=1.5)
    out = microvolts(device, sine(device, 10.0))
    assert np.abs(out[:, 1]).max() == pytest.approx(1500, rel=0.1)


def test_counts_are_steps_of_the_converter() -> None:
    fine, coarse = (replace(PLAIN, adc_step=step) for step in (1, 50))
    seen = [len(np.unique(record(d, sine(d, 3.0), np.random.default_rng(0)).counts[0, :, 6])) for d in (fine, coarse)]
    assert seen[0] > 300
    assert 30 < seen[1] < 50


def test_limb_identities_survive_the_converter() -> None:
    device = replace(PLAIN, wander=200, muscle=30, gain_spread=0.05, adc_step=10)
    counts = record(device, flat_line(device), np.random.default_rng(0)).counts.astype(int)
    one, two, three, avr, avl, avf = counts.transpose(2, 0, 1)[:6]
    np.testing.assert_array_equal(one + three, two)
    assert np.abs(avr + avl + avf).max() <= 2
    assert np.abs(avl - (one - three) / 2).max() <= 1


def test_converter_saturates_without_wrapping() -> None:
    device = replace(PLAIN, adc_step=1)
    counts = record(device, 100 * sine(device, 5.0), np.random.default_rng(0)).counts
    assert np.abs(counts[:, :, 6:]).max() == COUNT_LIMIT
    assert np.abs(counts[:, :, 2].astype(int)).max() <= 2 * COUNT_LIMIT


def test_padding_is_zero_and_the_rest_is_not() -> None:
    device = replace(PLAIN, fs=400, pad_before=1.2, pad_after=0.8, muscle=20)
    counts = record(device, flat_line(device), np.random.default_rng(0)).counts
    assert counts.shape == (8, 4000, 12)
    assert not counts[:, :480].any()
    assert not counts[:, -320:].any()
    assert (np.abs(counts[:, 480:-320, 6:]).mean(axis=1) > 1).all()


def test_signal_is_kept_in_time() -> None:
    """An event one second after the device starts is one second after the start of the record."""
    device = replace(PLAIN, lowpass=200, pad_before=0.5)
    leads = flat_line(device, 1)
    leads[:, :, round((SETTLING + 1) * 500)] = 5.0
    assert abs(np.abs(microvolts(device, leads)[0, 6]).argmax() - 750) <= 2


def test_records_of_one_device_differ_in_noise_but_share_the_signature() -> None:
    device = replace(PLAIN, wander=100, spread=0.35)
    recording = record(device, flat_line(device, 400), np.random.default_rng(0))
    assert np.log(recording.levels[:, 0]).std() == pytest.approx(0.35, rel=0.15)
    assert np.median(recording.levels[:, 0]) == pytest.approx(100, rel=0.1)
