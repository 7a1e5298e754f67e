from __future__ import annotations

import numpy as np
import pytest

from cape_fed.signal.electrodes import arms_look_exchanged
from tests.archive.files import ecg


def exchange_arms(signal: np.ndarray) -> np.ndarray:
    """What the leads become when the electrodes of the arms are exchanged: I over, II ↔ III, aVR ↔ aVL."""
    out = signal[[0, 2, 1, 4, 3, 5, *range(6, 12)]].copy()
    out[0] *= -1
    return out


@pytest.mark.parametrize("fs", [100.0, 500.0])
def test_exchanged_arms_are_seen_and_right_ones_not(fs: float) -> None:
    signal = ecg(3, fs)
    assert not arms_look_exchanged(signal, fs)
    assert arms_look_exchanged(exchange_arms(signal), fs)


def test_a_negative_v6_alone_is_no_exchange() -> None:
    signal = ecg()
    signal[11] *= -1
    assert not arms_look_exchanged(signal, 500)


@pytest.mark.parametrize("samples", [0, 10, 900])
def test_too_little_signal_is_not_judged(samples: int) -> None:
    assert not arms_look_exchanged(exchange_arms(ecg())[:, :samples], 500)


def test_missing_or_flat_leads_are_not_judged() -> None:
    signal = exchange_arms(ecg())
    signal[11] = 0
    assert not arms_look_exchanged(signal, 500)
    signal[11, 5] = np.nan
    assert not arms_look_exchanged(signal, 500)
