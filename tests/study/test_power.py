"""Power by the noncentral t, against published values and against drawn worlds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cape_fed.study.power import power_of, worlds_needed


@pytest.mark.parametrize(("size", "power", "worlds"), [(0.5, 0.8, 34), (0.5, 0.9, 44), (0.8, 0.8, 15), (1.0, 0.9, 13)])
def test_number_of_worlds_is_the_textbooks(size: float, power: float, worlds: int) -> None:
    """Values that programs for power analysis give for a two-sided one-sample t-test at 0.05."""
    assert worlds_needed(1.0, size, power) == worlds
    assert worlds_needed(0.02, 0.02 * size, power) == worlds


def test_power_is_how_often_the_difference_is_found() -> None:
    drawn = np.random.default_rng(0).normal(0.7, 1.0, (20_000, 12))
    found = float(np.mean(stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05))
    assert power_of(12, 0.7) == pytest.approx(found, abs=0.01)


def test_without_a_difference_it_is_the_level_of_the_test() -> None:
    assert power_of(10, 0.0) == pytest.approx(0.05)


def test_it_is_a_probability_for_differences_of_any_size() -> None:
    sizes = np.geomspace(1e-3, 1e9, 100)
    for worlds in (2, 3, 6, 40):
        powers = np.array([power_of(worlds, size) for size in sizes])
        assert (np.diff(powers) >= 0).all()
        assert powers[-1] == 1
    drawn = np.random.default_rng(0).normal(20, 1.0, (50_000, 2))
    found = float(np.mean(stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05))
    assert power_of(2, 20) == pytest.approx(found, abs=0.003)


@pytest.mark.parametrize("deviation", [1e-17, 1e-4, 0.04, 0.05, 0.1, 0.3, 5.0])
def test_one_world_fewer_has_too_little_power_however_many_it_takes(deviation: float) -> None:
    worlds = worlds_needed(deviation, 0.002)
    assert power_of(worlds, 0.002 / deviation) >= 0.9
    assert worlds == 2 or power_of(worlds - 1, 0.002 / deviation) < 0.9
