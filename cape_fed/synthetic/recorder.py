"""What an ECG machine makes of the leads: from voltages on the patient to counts in a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from cape_fed.synthetic.device import Device
from cape_fed.synthetic.noise import draw_noise
from cape_fed.synthetic.population import Floats

SETTLING = 1.0
"""Seconds rendered before and after the record, where the filters are disturbed by the ends of the signal."""

COUNT_LIMIT = 16383
"""Largest count of a recorded lead, chosen so that leads derived from two of them fit into 16 bits."""


@dataclass(frozen=True)
class Recording:
    """What a machine stored of ``n`` visits, with the gain and the noise that it added."""

    counts: NDArray[np.int16]
    """``[n, samples, 12]``, with leads in the order of ``LEADS``."""
    gain: Floats
    """``[n]``, what was recorded in place of 1 mV."""
    levels: Floats
    """``[n, 4]``, wander, muscle noise, electronic noise and mains hum at one electrode, µV RMS."""


def span(device: Device) -> int:
    """Number of samples to render for one record of ``device``."""
    return int(next_fast_len(device.recorded_samples + 2 * round(SETTLING * device.fs), real=True))


def record(device: Device, leads: Floats, rng: np.random.Generator) -> Recording:
    """Record ``leads`` (``[n, 8, span(device)]`` in mV) with noise, filters, gain, AD conversion and padding."""
    count, _, length = leads.shape
    levels = device.levels * np.exp(device.spread * rng.standard_normal((count, 4), dtype=np.float32))
    spectrum = rfft(leads, axis=-1)
    spectrum += draw_noise(device, levels, length, rng)
    gain = device.gain * np.exp(0.02 * rng.standard_normal((count, 1, 1)))
    amplifiers = gain * (1 + device.gain_spread * rng.standard_normal((count, 8, 1)))
    scale = (amplifiers * 1000 / device.adc_step).astype(np.float32)
    hz = np.fft.rfftfreq(length, 1 / device.fs).astype(np.float32)
    spectrum *= device.response(hz)
    spectrum *= scale
    analogue = irfft(spectrum, length, axis=-1)
    return Recording(_convert(device, analogue), gain[:, 0, 0].astype(np.float32), levels)


def _convert(device: Device, analogue: Floats) -> NDArray[np.int16]:
    """Round the eight leads to counts, derive the other four from them and add the padding."""
    before = device.padding[0]
    start = round(SETTLING * device.fs)
    kept = analogue[:, :, start : start + device.recorded_samples]
    digital = np.clip(np.rint(kept), -COUNT_LIMIT, COUNT_LIMIT).astype(np.int16)
    counts = np.zeros((len(kept), device.samples, 12), np.int16)
    body = counts[:, before : before + device.recorded_samples].transpose(0, 2, 1)
    one, two = digital[:, 0], digital[:, 1]
    if device.swapped:  # I is inverted, II and III are exchanged, and the chest leads' reference stays
        one, two = -one, np.clip(two - one, -COUNT_LIMIT, COUNT_LIMIT)
    body[:, 0], body[:, 1], body[:, 2] = one, two, two - one
    body[:, 3] = -((one + two) >> 1)
    body[:, 4] = one - (two >> 1)
    body[:, 5] = two - (one >> 1)
    body[:, 6:] = digital[:, 2:]
    return counts
