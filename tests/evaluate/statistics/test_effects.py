"""Effects over seeds and patients: hand-computed cases, and their coverage in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.evaluate.statistics.effects import effect, holm


def sampled(point: float, draws: object = (0.0, 0.0)) -> Sampled:
    return Sampled(point, np.asarray(draws, float))


def test_without_patients_noise_it_is_the_t_test() -> None:
    points = [0.02, 0.05, 0.01, 0.04]
    found = effect([sampled(point) for point in points])
    expected = stats.ttest_1samp(points, 0)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(interval))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.size == pytest.approx(np.mean(points) / np.std(points, ddof=1))


def test_without_noise_between_seeds_it_is_the_normal_interval() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.02, 500)
    found = effect([sampled(0.3, draws), sampled(0.3, draws)])
    reach = stats.norm.ppf(0.975) * draws.std(ddof=1)
    assert (found.low, found.high) == pytest.approx((0.3 - reach, 0.3 + reach))
    assert found.size is None


def test_patients_who_are_the_same_for_all_seeds_are_not_averaged_away() -> None:
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 0.02, 400)
    own = [rng.normal(0, 0.02, 400) for _ in range(5)]
    together = effect([sampled(0.1, 0.1 + shared) for _ in range(5)])
    apart = effect([sampled(0.1, 0.1 + noise) for noise in own])
    assert together.high - together.low > 1.8 * (apart.high - apart.low)  # type: ignore[operator]


def test_one_seed_has_no_interval() -> None:
    found = effect([sampled(0.1)])
    assert (found.point, found.low, found.high, found.p) == (0.1, None, None, None)


def test_no_variation_at_all() -> None:
    assert effect([sampled(0.0), sampled(0.0)]).p == 1
    assert effect([sampled(0.1), sampled(0.1)]).p == 0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for p, own in zip(p_values, corrected, strict=True):
        assert p <= own <= min(1, p * len(p_values))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("seeds_sd", "patients_sd"), [(0.01, 0.0), (0.01, 0.01), (0.005, 0.02)])
def test_coverage_and_false_positives_with_five_seeds(seeds_sd: float, patients_sd: float) -> None:
    """2,000 studies of a true difference of 0: the interval holds it in 95 %, p is below 0.05 in 5 %, within 1.5."""
    rng = np.random.default_rng([int(1e4 * seeds_sd), int(1e4 * patients_sd)])
    covered, positive = 0, 0
    for _ in range(2000):
        common = rng.normal(0, patients_sd)
        draws = rng.normal(0, patients_sd, 300)
        found = effect([sampled(x, x + draws) for x in common + rng.normal(0, seeds_sd, 5)])
        assert found.low is not None and found.high is not None and found.p is not None  # noqa: PT018
        covered += found.low <= 0 <= found.high
        positive += found.p < 0.05
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)
    assert positive / 2000 == pytest.approx(0.05, abs=0.015)
