"""From beats and kernels to the eight recorded leads in millivolts, by way of the vectorcardiogram."""

from __future__ import annotations

import numpy as np

from cape_fed.synthetic.physiology import KERNELS, Visits
from cape_fed.synthetic.population import Floats
from cape_fed.synthetic.rhythm import Beats, draw_beats, fibrillatory_waves
from cape_fed.synthetic.waves import ST, Kernels, T

REACH = 4.0
"""Standard deviations from its centre up to which a kernel is evaluated; it is below 1 µV there."""

_FIBRILLATION = np.array([0.12, 0.5, 1.0, 0.6, 0.3, 0.15, 0.12, 0.12], np.float32)
"""Share of the fibrillatory waves in each recorded lead; it is largest in V1, which lies over the right atrium."""


def render(
    visits: Visits, kernels: Kernels, leads: Floats, fs: float, samples: int, rng: np.random.Generator
) -> tuple[Floats, Beats]:
    """Render ECGs ``[n, 8, samples]`` in mV from the lead vectors ``leads`` ``[n, 8, 3]``; also returns their beats."""
    beats = draw_beats(visits, samples / fs, rng)
    activity = _activity(beats, kernels, len(leads), fs, samples)
    dipole = kernels.dipole.transpose(0, 2, 1) @ activity
    _breathe(dipole, visits, fs, rng)
    ecg = leads @ dipole
    af = np.flatnonzero(visits.af)
    if len(af):
        ecg[af] += _FIBRILLATION[:, None] * fibrillatory_waves(len(af), samples, fs, rng)[:, None]
    return ecg, beats


def _activity(beats: Beats, kernels: Kernels, count: int, fs: float, samples: int) -> Floats:
    """Each kernel over time, summed over the beats, with peaks of 1: ``[count, 8, samples]``."""
    margin = round(1.5 * fs)
    length = samples + 2 * margin
    out = np.zeros((count, len(KERNELS), length), np.float32)
    flat = out.reshape(-1)
    stretch = np.cbrt(beats.rr)
    for kernel in range(len(KERNELS)):
        scale = stretch if kernel in (ST, T) else np.float32(1.0)
        centre = (beats.time + kernels.centre[beats.record, kernel] * scale) * fs + margin
        rise = kernels.rise[beats.record, kernel] * fs * np.sqrt(scale)
        fall = kernels.fall[beats.record, kernel] * fs * np.sqrt(scale)
        window = np.arange(-int(REACH * rise.max()) - 1, int(REACH * fall.max()) + 2, dtype=np.float32)
        nearest = np.rint(centre)
        away = window + (nearest - centre)[:, None]
        away /= np.where(away < 0, rise[:, None], fall[:, None])
        value = np.exp(-0.5 * away * away)
        start = (beats.record * len(KERNELS) + kernel) * length + nearest.astype(np.int64)
        where = start[:, None] + window.astype(np.int64)
        for parity in (0, 1):  # windows of neighbouring beats may overlap, but not those of every second beat
            mine = beats.number % 2 == parity
            flat[where[mine]] += value[mine]
    return out[:, :, margin : margin + samples]


def _breathe(dipole: Floats, visits: Visits, fs: float, rng: np.random.Generator) -> None:
    """Rotate and scale the dipole ``[n, 3, samples]`` in place with breathing, to first order in the angle."""
    at = visits.physiology
    t = np.arange(dipole.shape[-1], dtype=np.float32) / fs
    phase = (6.28 * rng.random((len(dipole), 1))).astype(np.float32)
    breath = np.sin(2 * np.pi * at.breathing[:, None] * t + phase)
    turn = breath * np.deg2rad(at.swing)[:, None]
    x, y, z = dipole[:, 0].copy(), dipole[:, 1].copy(), dipole[:, 2]
    dipole *= 1 + 0.5 * turn[:, None]
    dipole[:, 0] -= turn * (y + 0.5 * z)
    dipole[:, 1] += turn * x
