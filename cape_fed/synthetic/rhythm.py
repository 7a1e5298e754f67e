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
    """Fibrillatory waves of ``count`` records, ``[count, samples]``, about ±1: 4.5 to 8 Hz, never quite regular."""
    t = np.arange(samples, dtype=np.float32) / fs
    draw = rng.random((6, count, 1)).astype(np.float32)
    wander = 0.9 * np.sin(2 * np.pi * (0.3 + 0.4 * draw[1]) * t + 6.28 * draw[2])
    wander += 0.5 * np.sin(2 * np.pi * (1.1 + 0.6 * draw[3]) * t + 6.28 * draw[4])
    phase = 2 * np.pi * (4.5 + 3.5 * draw[0]) * t + wander
    swell = 1 + 0.4 * np.sin(2 * np.pi * (0.2 + 0.5 * draw[5]) * t + 6.28 * draw[1])
    return np.asarray(swell * (np.sin(phase) + 0.3 * np.sin(2 * phase + 1.0) + 0.1 * np.sin(3 * phase)), np.float32)
