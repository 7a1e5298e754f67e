from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, mean_absolute_error, r2_score, roc_auc_score

from cape_fed.evaluate.statistics.metrics import ranking_metrics, regression_metrics


def one(target: list[float], score: list[float]) -> dict[str, float]:
    """Metrics of records that are each their own patient, as they are."""
    codes = np.arange(len(target))
    values = ranking_metrics(np.array(target, float), np.array(score, float), codes, np.ones((len(target), 1)))
    return {name: value[0] for name, value in values.items()}


def test_hand_cases() -> None:
    assert one([0, 1], [0.1, 0.9]) == {"auroc": 1.0, "auprc": 1.0}
    assert one([1, 0], [0.1, 0.9]) == {"auroc": 0.0, "auprc": 0.5}
    assert one([1, 0, 1, 0], [1, 1, 1, 1]) == {"auroc": 0.5, "auprc": 0.5}
    # pairs: (3 > 2), (3 > 1), (2 = 2) half, (2 > 1): 3.5 of 4; precision 1 at the first positive, 2/3 at the tie
    tied = one([1, 1, 0, 0], [3, 2, 2, 1])
    assert tied["auroc"] == pytest.approx(3.5 / 4)
    assert tied["auprc"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@pytest.mark.parametrize("decimals", [1, 8])
def test_equal_sklearn_under_every_weighting(decimals: int) -> None:
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 40, 150)
    target = (rng.random(150) < 0.3).astype(float)
    score = np.round(target + rng.standard_normal(150), decimals)
    weights = rng.poisson(1, (40, 25)).astype(float)
    values = ranking_metrics(target, score, patients, weights)
    for draw in range(25):
        w = weights[patients, draw]
        assert values["auroc"][draw] == pytest.approx(roc_auc_score(target, score, sample_weight=w), abs=1e-12)
        assert values["auprc"][draw] == pytest.approx(
            average_precision_score(target, score, sample_weight=w), abs=1e-12
        )


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=2, max_size=25).filter(
        lambda rows: {True, False} <= {row[0] for row in rows if row[2]}
    )
)
def test_weights_are_repetitions_and_auroc_counts_pairs(rows: list[tuple[bool, int, int]]) -> None:
    target, score, times = (np.array(column, float) for column in zip(*rows, strict=True))
    weighted = ranking_metrics(target, score, np.arange(len(rows)), times[:, None])
    repeated = np.repeat(np.arange(len(rows)), times.astype(int))
    plain = one(list(target[repeated]), list(score[repeated]))
    positives, negatives = score[repeated][target[repeated] == 1], score[repeated][target[repeated] == 0]
    wins = [float(p > n) + 0.5 * float(p == n) for p in positives for n in negatives]
    assert weighted["auroc"][0] == pytest.approx(np.mean(wins))
    assert weighted["auroc"][0] == pytest.approx(plain["auroc"])
    assert weighted["auprc"][0] == pytest.approx(plain["auprc"])


def test_a_resample_without_a_class_has_no_value() -> None:
    weights = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    values = ranking_metrics(np.array([1.0, 0.0]), np.array([2.0, 1.0]), np.arange(2), weights)
    np.testing.assert_array_equal(values["auroc"], [1.0, np.nan, np.nan])
    np.testing.assert_array_equal(values["auprc"], [1.0, np.nan, np.nan])
    assert np.isnan(one([0, 0], [1, 2])["auroc"])
    assert np.isnan(one([1, 1], [1, 2])["auprc"])


def test_regression_equals_sklearn_under_every_weighting() -> None:
    rng = np.random.default_rng(1)
    patients = rng.integers(0, 30, 80)
    target = 60 + 10 * rng.standard_normal(80)
    score = target + 5 * rng.standard_normal(80)
    weights = rng.poisson(1, (30, 20)).astype(float)
    values = regression_metrics(target, score, patients, weights)
    for draw in range(20):
        w = weights[patients, draw]
        assert values["mae"][draw] == pytest.approx(mean_absolute_error(target, score, sample_weight=w))
        assert values["r2"][draw] == pytest.approx(r2_score(target, score, sample_weight=w))


def test_a_constant_target_has_an_error_but_no_r2() -> None:
    values = regression_metrics(np.full(3, 50.0), np.array([49.0, 50.0, 53.0]), np.arange(3), np.ones((3, 1)))
    assert values["mae"][0] == pytest.approx(4 / 3)
    assert np.isnan(values["r2"][0])
