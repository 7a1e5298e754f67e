"""The times of the beats, and the waves of fibrillating atria."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.synthetic.physiology import Visits
from cape_fed.synthetic.population import Floats

SHORTEST_RR = 0.36
"""Seconds."""


class Beats(NamedTuple):
    """All beats of a batch of records in one list, sorted by record and time."""

    record: NDArray[np.int64]
    number: NDArray[np.int64]
    time: Floats
    """Onset of QRS in seconds from the start of the rendered signal."""
    rr: Floats
    """Smoothed RR interval before the beat, to which the QT interval has adapted, in seconds."""


def draw_beats(visits: Visits, span: float, rng: np.random.Generator) -> Beats:
    """Draw the beats whose waves reach into the ``span`` seconds of each record."""
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


def mean_rate(beats: Beats, visits: Visits, start: float, stop: float) -> Floats:
    """Mean rate of each record in beats per minute, from the beats between ``start`` and ``stop`` seconds.

    If there are fewer than two, it is the rate around which the beats were drawn.
    """
    inside = (beats.time >= start) & (beats.time < stop)
    time = beats.time[inside]
    number = np.bincount(beats.record[inside], minlength=len(visits.age))
    after = np.cumsum(number)
    several = number > 1
    rate = visits.physiology.rate.copy()
    elapsed = time[after[several] - 1] - time[(after - number)[several]]
    rate[several] = 60 * (number[several] - 1) / elapsed
    return rate


def fibrillatory_waves(count: int, samples: int, fs: float, rng: np.random.Generator) -> Floats:
    """Draw fibrillatory waves of ``count`` records, ``[count, samples]`` in mV: irregular, at 4.5 to 8 Hz."""
    t = np.arange(samples, dtype=np.float32) / fs
    phase = 2 * np.pi * (4.5 + 3.5 * rng.random((count, 1))) * t + 1.3 * _meander(count, t, 0.3, 2.0, rng)
    swell = np.exp(0.45 * _meander(count, t, 0.2, 1.5, rng))
    peak = 0.02 + 0.06 * rng.random((count, 1))
    wave = np.sin(phase) + 0.35 * np.sin(2 * phase + _meander(count, t, 0.2, 1.0, rng))
    return np.asarray(peak * swell * wave, np.float32)


def _meander(count: int, t: Floats, low: float, high: float, rng: np.random.Generator) -> Floats:
    """Draw ``count`` slow functions of time of about ±1, each a sum of three sines from ``low`` to ``high`` Hz."""
    hz = rng.uniform(low, high, (3, count, 1)).astype(np.float32)
    start = rng.uniform(0, 2 * np.pi, (3, count, 1)).astype(np.float32)
    return np.asarray(np.sin(2 * np.pi * hz * t + start).sum(axis=0) / np.float32(np.sqrt(1.5)), np.float32)
