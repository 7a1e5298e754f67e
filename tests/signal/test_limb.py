"""Limb leads follow from any two of them, by the definitions of the augmented leads."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from cape_fed.signal.limb import LIMB, limb_from_pair


@pytest.mark.parametrize("pair", list(permutations(range(LIMB), 2)))
def test_any_two_give_all_six(pair: tuple[int, int]) -> None:
    left, right, foot = np.random.default_rng(0).normal(0, 1, (3, 50))  # potentials of the electrodes
    six = np.stack([
        left - right, foot - right, foot - left,
        right - (left + foot) / 2, left - (right + foot) / 2, foot - (left + right) / 2,
    ])  # fmt: skip
    np.testing.assert_allclose(limb_from_pair(*pair) @ six[list(pair)], six, atol=1e-12)
