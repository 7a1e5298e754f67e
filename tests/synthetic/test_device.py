"""The specification of an ECG machine: its filters and the samples of its records."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.synthetic.device import Device

DEVICE = Device("test", fs=500, highpass=0.5, highpass_order=2, lowpass=40, lowpass_order=3)


def test_both_corners_are_at_minus_3_db() -> None:
    gain = np.abs(DEVICE.response(np.array([0.5, 5.0, 40.0], np.float32)))
    np.testing.assert_allclose(gain, [1 / np.sqrt(2), 1.0, 1 / np.sqrt(2)], atol=1e-3)


def test_the_orders_give_the_slopes() -> None:
    """A Butterworth filter of order n loses a factor of 2**n per octave."""
    low, lower, high, higher = np.abs(DEVICE.response(np.array([0.02, 0.01, 400, 800], np.float32)))
    assert low / lower == pytest.approx(2**2, rel=0.01)
    assert high / higher == pytest.approx(2**3, rel=0.01)


def test_padding_counts_as_part_of_the_record() -> None:
    device = Device("padded", fs=400, seconds=10.24, pad_before=1.47, pad_after=0.5)
    assert device.samples == 4096
    assert device.padding == (588, 200)
    assert device.recorded_samples == 4096 - 588 - 200


def test_levels_are_in_the_order_in_which_noise_is_drawn() -> None:
    device = Device("noisy", fs=500, wander=1, muscle=2, floor=3, hum=4)
    np.testing.assert_array_equal(device.levels, [1, 2, 3, 4])
