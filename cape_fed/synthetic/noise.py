"""What the electrodes pick up in addition to the heart: baseline wander, muscles, electronics, mains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cape_fed.synthetic.device import Device
from cape_fed.synthetic.population import Floats

Spectra = NDArray[np.complex64]

ELECTRODES_TO_LEADS = np.zeros((8, 9), np.float32)
"""Leads I, II, V1 to V6 from electrodes RA, LA, LL, V1 to V6; chest leads refer to Wilson's central terminal."""
ELECTRODES_TO_LEADS[0, :2] = -1, 1
ELECTRODES_TO_LEADS[1, [0, 2]] = -1, 1
ELECTRODES_TO_LEADS[2:, :3] = -1 / 3
ELECTRODES_TO_LEADS[2:, 3:] = np.eye(6)

_DRIFT_HZ = 0.25
"""Half the width of a mains line, whose amplitude and phase drift within seconds."""


def draw_noise(device: Device, levels: Floats, samples: int, rng: np.random.Generator) -> Spectra:
    """Spectra of the noise in the eight recorded leads, ``[n, 8, samples // 2 + 1]`` in mV (``rfft`` scaling).

    ``levels`` ``[n, 4]`` are the RMS amplitudes of wander, muscle noise, electronic noise and mains hum at one
    electrode, in µV. All but the hum is independent between electrodes, so that leads are correlated as on a patient.
    """
    count = len(levels)
    hz = np.fft.rfftfreq(samples, 1 / device.fs).astype(np.float32)
    power = sum(levels[:, i, None] ** 2 * shape**2 for i, shape in enumerate(_shapes(device, hz)))
    contact = np.exp(0.3 * rng.standard_normal((count, 9, 1), dtype=np.float32))
    # Uniform coefficients suffice: the transform sums thousands of them, so that the signal is Gaussian.
    parts = rng.random((count, 9, 2 * len(hz)), dtype=np.float32) - np.float32(0.5)
    parts *= contact
    leads = (ELECTRODES_TO_LEADS @ parts).view(np.complex64)
    leads *= (np.sqrt(power) * np.float32(np.sqrt(6) * samples / np.sqrt(2) / 1000))[:, None, :]
    _add_mains(leads, device, levels[:, 3], hz, samples, rng)
    return leads


def _shapes(device: Device, hz: Floats) -> list[Floats]:
    """Amplitude spectra of wander, muscle noise and electronic noise, each of unit power."""
    safe = np.maximum(hz, 0.02)
    wander = (hz > 0.03) / (1 + (safe / device.wander_hz) ** 2)
    muscle = (safe / 25) / (1 + (safe / 45) ** 2)
    floor = (hz > 0.3) * safe**-device.floor_colour
    return [(shape / np.sqrt(np.sum(shape**2))).astype(np.float32) for shape in (wander, muscle, floor)]


def _add_mains(
    leads: Spectra, device: Device, level: Floats, hz: Floats, samples: int, rng: np.random.Generator
) -> None:
    """Add the mains hum, up to half the sampling rate: one source, which couples into each electrode differently."""
    count = len(leads)
    coupling = ELECTRODES_TO_LEADS @ rng.standard_normal((count, 9, 1), dtype=np.float32)
    grid = device.mains + rng.normal(0, 0.03)
    for harmonic, share in ((1, 1.0), (2, 0.15), (3, 0.3)):
        frequency = harmonic * grid
        if frequency > 0.48 * device.fs:
            continue
        band = np.flatnonzero(np.abs(hz - frequency) <= _DRIFT_HZ)
        line = 0.3 * rng.standard_normal((count, len(band))) + 0.3j * rng.standard_normal((count, len(band)))
        line[:, len(band) // 2] += np.exp(2j * np.pi * rng.random(count))
        line *= (share * level / 1000 * samples / np.sqrt(2))[:, None]
        leads[:, :, band] += coupling * line.astype(np.complex64)[:, None, :]
