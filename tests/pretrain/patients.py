"""Recordings whose patients can be told apart: each has a waveform of its own."""

from __future__ import annotations

import numpy as np


def patient_signals(patients: int, seed: int, samples: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """int16 ``[2 * patients, 12, samples]`` and the patient of each row."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(patients), 2))
    shape = rng.normal(0, 1, (patients, 12, 3))
    rate = rng.uniform(0.8, 1.6, patients)
    phase = 2 * np.pi * (rate[owner][:, None] * np.arange(samples) / 100 + rng.random((len(owner), 1)))
    harmonics = np.stack([np.sin(k * phase) for k in (1, 2, 5)], axis=1)
    signals = np.einsum("nlk,nkt->nlt", shape[owner], harmonics) + rng.normal(0, 0.05, (len(owner), 12, samples))
    return (300 * signals).astype(np.int16), owner
