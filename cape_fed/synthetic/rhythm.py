"""When the ventricles beat, and what the atria do in between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.synthetic.physiology import Visits
from cape_fed.synthetic.population import Floats

SHORTEST_RR = 0.36


class Beats(NamedTuple):
    """All beats of a batch of records as one flat list, by record and time."""

    record: NDArray[np.int64]
    number: NDArray[np.int64]
    time: Floats
    """Onset of QRS, s from the start of the rendered span."""
    rr: Floats
    """RR interval before the beat, smoothed: what the QT interval has adapted to."""

    def mean_rate(self, count: int) -> Floats:
        """Mean rate of each of ``count`` records in beats a minute."""
        beats = np.bincount(self.record, minlength=count)
        ends = np.cumsum(beats)
        return np.asarray(60 * (beats - 1) / (self.time[ends - 1] - self.time[ends - beats]), np.float32)


def draw_beats(visits: Visits, span: float, rng: np.random.Generator) -> Beats:
    """Draw the beats that touch ``span`` seconds of each record."""
    at = visits.physiology
    count = len(at.rate)
    mean = 60 / at.rate[:, None]
    slots = int(np.ceil((span + 2) / mean.min() * 1.5)) + 4
    when = np.arange(slots) * mean
    phase = rng.random((3, count, 1)) * 2 * np.pi
    noise = rng.standard_normal((count, slots))
    breathing = at.sinus_arrhythmia[:, None] * np.sin(2 * np.pi * at.breathing[:, None] * when + phase[0])
    slow = np.sin(2 * np.pi * 0.09 * when + phase[1]) + 0.4 * noise
    sinus = mean + np.minimum(mean, 1.0) * (breathing + at.irregularity[:, None] * slow)
    fibrillation = mean * np.exp(0.23 * noise - 0.026)
    rr = np.maximum(np.where(visits.af[:, None], fibrillation, sinus), SHORTEST_RR)
    time = np.cumsum(rr, axis=1) - 1.0 - rng.random((count, 1)) * mean
    memory = 0.5 * rr + 0.5 * mean
    record, slot = np.nonzero((time > -0.8) & (time < span + 0.5))
    return Beats(record, slot, time[record, slot].astype(np.float32), memory[record, slot].astype(np.float32))


def fibrillatory_waves(count: int, samples: int, fs: float, rng: np.random.Generator) -> Floats:
    """Fibrillatory waves of ``count`` records in mV, ``[count, samples]``: 4.5 to 8 Hz, never quite regular."""
    t = np.arange(samples, dtype=np.float32) / fs
    phase = 2 * np.pi * (4.5 + 3.5 * rng.random((count, 1))) * t + 1.3 * _meander(count, t, 0.3, 2.0, rng)
    swell = np.exp(0.45 * _meander(count, t, 0.2, 1.5, rng))
    peak = 0.02 + 0.06 * rng.random((count, 1))
    wave = np.sin(phase) + 0.35 * np.sin(2 * phase + _meander(count, t, 0.2, 1.0, rng))
    return np.asarray(peak * swell * wave, np.float32)


def _meander(count: int, t: Floats, low: float, high: float, rng: np.random.Generator) -> Floats:
    """``count`` slow random functions of time, about ±1: three sines each, from ``low`` to ``high`` Hz."""
    hz = rng.uniform(low, high, (3, count, 1)).astype(np.float32)
    start = rng.uniform(0, 2 * np.pi, (3, count, 1)).astype(np.float32)
    return np.asarray(np.sin(2 * np.pi * hz * t + start).sum(axis=0) / np.float32(np.sqrt(1.5)), np.float32)
