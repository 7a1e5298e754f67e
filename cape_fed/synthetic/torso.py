"""From the dipole of the heart to the eight leads that a machine records: I, II, V1 to V6."""

from __future__ import annotations

import numpy as np

from cape_fed.synthetic.population import Bools, Floats

DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ],
    np.float32,
)
"""Lead vectors over Frank's x (left), y (down), z (back). Source: Dower, Machado, Osborne 1980."""

_NEARNESS = np.array([1.1, 1.05, 0.92, 1.22, 1.15, 1.1, 1.1, 1.1], np.float32)
"""Chest electrodes are close to the heart and see more than a distant dipole; fitted to amplitudes in PTB-XL."""


def draw_torsos(female: Bools, rng: np.random.Generator) -> Floats:
    """Draw the lead vectors of each patient, ``[len(female), 8, 3]``."""
    count = len(female)
    factor = 1 + 0.07 * rng.standard_normal((count, 8, 1)) + 0.04 * rng.standard_normal((count, 8, 3))
    torso = (DOWER * _NEARNESS[:, None] * factor + 0.03 * rng.standard_normal((count, 8, 3))).astype(np.float32)
    # Breast tissue lies between the heart and V3 to V5.
    torso[:, 4:7] *= (1 - 0.1 * female)[:, None, None]
    return torso


def place_electrodes(torsos: Floats, rng: np.random.Generator) -> Floats:
    """Place the electrodes anew, ``[n, 8, 3]`` to ``[n, 8, 3]``: near where they were last time, but not exactly there.

    Chest electrodes move along their row, together and individually, in units of the distance between two of them.
    They also move up or down, which changes how much of the vertical dipole they see. Limb leads turn by a few degrees.
    """
    count = len(torsos)
    placed = torsos.copy()
    chest = torsos[:, 2:]
    along = 0.15 * rng.standard_normal((count, 1)) + 0.15 * rng.standard_normal((count, 6))
    where = np.clip(np.arange(6) + along, 0, 5)
    left = np.minimum(where.astype(np.int64), 4)
    part = (where - left)[..., None].astype(np.float32)
    rows = np.arange(count)[:, None]
    placed[:, 2:] = (1 - part) * chest[rows, left] + part * chest[rows, left + 1]
    placed[:, 2:, 1] += 0.12 * rng.standard_normal((count, 1)) + 0.06 * rng.standard_normal((count, 6))
    turn = np.deg2rad(3.0 * rng.standard_normal(count)).astype(np.float32)[:, None]
    lead_one, lead_two = torsos[:, 0], torsos[:, 1]
    placed[:, 0] = lead_one + turn * lead_two
    placed[:, 1] = lead_two - turn * lead_one
    return placed
