"""The eight recorded leads: those of each patient, and those of each time the electrodes are placed."""

from __future__ import annotations

import numpy as np

from cape_fed.synthetic.torso import DOWER, draw_torsos, place_electrodes
from tests.synthetic.conftest import People


def test_chest_electrodes_move_a_little(people: People) -> None:
    patients = people.patients
    rng = np.random.default_rng(6)
    torso = draw_torsos(patients.female, rng)
    moved = place_electrodes(torso, rng)
    away = np.linalg.norm(moved - torso, axis=-1) / np.linalg.norm(torso, axis=-1)
    assert 0.02 < np.median(away) < 0.3


def test_torsos_scatter_around_dower() -> None:
    torsos = draw_torsos(np.zeros(2000, bool), np.random.default_rng(0))
    ratio = np.linalg.norm(torsos.mean(axis=0), axis=-1) / np.linalg.norm(DOWER, axis=-1)
    assert (np.abs(ratio - 1.05) < 0.2).all()
    assert torsos.std(axis=0).min() > 0.02


def test_breast_tissue_lowers_the_voltage_of_v3_to_v5() -> None:
    women, men = (draw_torsos(np.full(4000, female), np.random.default_rng(1)) for female in (True, False))
    np.testing.assert_allclose(women[:, 4:7] / men[:, 4:7], 0.9, rtol=1e-5)
    np.testing.assert_array_equal(women[:, [0, 1, 2, 3, 7]], men[:, [0, 1, 2, 3, 7]])


def test_limb_leads_turn_without_growing() -> None:
    torsos = draw_torsos(np.zeros(500, bool), np.random.default_rng(2))
    placed = place_electrodes(torsos, np.random.default_rng(3))
    turn = np.linalg.norm(placed[:, 0] - torsos[:, 0], axis=-1) / np.linalg.norm(torsos[:, 1], axis=-1)
    assert 1 < np.rad2deg(np.median(turn)) < 4
