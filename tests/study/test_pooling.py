"""Random effects against a published meta-analysis, the estimating equation itself, and drawn cohorts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from cape_fed.study.pooling import pool, random_effects
from cape_fed.study.results import Contrast

# Thirteen trials of the BCG vaccine (Colditz et al. 1994): ill and well with it, ill and well without it.
BCG = np.array(
    [
        (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
        (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232),
        (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
    ],
    float,
)  # fmt: skip


def log_risk_ratios() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b, c, d = BCG.T
    return np.log(a / (a + b)) - np.log(c / (c + d)), (1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)) ** 0.5


def test_the_bcg_trials_give_what_is_published() -> None:
    """Values that metafor prints for these trials with the estimator of Paule and Mandel."""
    found = random_effects(*log_risk_ratios())
    assert found.mean == pytest.approx(-0.7150, abs=5e-5)
    assert found.error == pytest.approx(0.1809, abs=1e-4)
    assert found.tau**2 == pytest.approx(0.3181, abs=5e-5)
    assert found.i2 == pytest.approx(1 - 12 / 152.2330, abs=1e-5)
    assert found.weights.sum() == pytest.approx(1)


def by_hand(effects: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, standard error and τ² from the equation that defines Paule and Mandel's τ²."""

    def excess(tau2: float) -> float:
        weights = 1 / (errors**2 + tau2)
        mean = np.average(effects, weights=weights)
        return float((weights * (effects - mean) ** 2).sum() - (len(effects) - 1))

    tau2 = float(brentq(excess, 0, 100)) if excess(0) > 0 else 0.0
    weights = 1 / (errors**2 + tau2)
    return float(np.average(effects, weights=weights)), float(weights.sum() ** -0.5), tau2


@pytest.mark.parametrize("seed", range(20))
def test_four_cohorts_are_pooled_as_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.004, 0.03, 4)
    effects = rng.normal(0.005, 0.02 * (seed % 3), 4) + rng.normal(0, errors)
    found = random_effects(effects, errors)
    mean, error, tau2 = by_hand(effects, errors)
    assert (found.mean, found.error, found.tau) == pytest.approx((mean, error, tau2**0.5), rel=1e-4, abs=1e-7)
    reach = stats.t.ppf(0.975, 3) * error
    assert (found.low, found.high) == pytest.approx((mean - reach, mean + reach), rel=1e-4)
    wide = stats.t.ppf(0.975, 2) * (tau2 + error**2) ** 0.5
    assert (found.predicted_low, found.predicted_high) == pytest.approx((mean - wide, mean + wide), rel=1e-4)
    weights = 1 / (errors**2 + tau2)
    hartung_knapp = (np.average((effects - mean) ** 2, weights=weights) / 3) ** 0.5
    assert error >= hartung_knapp * (1 - 1e-4)  # equal where the cohorts differ
    assert error == pytest.approx(hartung_knapp, rel=1e-4) or tau2 == 0


def test_the_interval_holds_the_mean_of_cohorts_in_at_least_95_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        errors = rng.uniform(0.005, 0.02, 4)
        found = random_effects(rng.normal(0.01, 0.01, 4) + rng.normal(0, errors), errors)
        held += found.low < 0.01 < found.high
    assert held / 2000 > 0.95


def contrast(point: float, error: float | None) -> Contrast:
    return Contrast(
        level="idb", reference="random", point=point, low=None, high=None, seeds=[], size=None, p=None, p_holm=None,
        error=error,
    )  # fmt: skip


def test_cohorts_without_a_contrast_are_named_and_two_are_too_few() -> None:
    found = {"a": contrast(0.02, 0.01), "b": contrast(0.0, 0.02), "c": None, "d": contrast(0.01, 0.01)}
    pooled = pool(found)
    assert pooled is not None
    assert (pooled.cohorts, pooled.missing, pooled.seeds) == (["a", "b", "d"], ["c"], [0.02, 0.0, 0.01])
    assert (pooled.level, pooled.reference) == ("idb", "random")
    assert pooled.weights[0] == pytest.approx(pooled.weights[2])
    assert pool({**found, "d": None}) is None
    assert pool({**found, "d": contrast(0.01, None)}) is None  # one seed


def test_cohorts_that_agree_exactly_have_no_spread() -> None:
    pooled = pool({name: contrast(0.01, 0.01) for name in "abcd"})
    assert pooled is not None
    assert (pooled.tau, pooled.i2, pooled.point) == (0.0, 0.0, pytest.approx(0.01))
