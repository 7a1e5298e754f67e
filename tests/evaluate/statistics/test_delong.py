"""DeLong's interval against its definition, by hand, for clusters, and its coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cape_fed.evaluate.statistics.delong import delong, delong_interval


def slow(target: np.ndarray, score: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    """Structural components pair by pair, summed up patient by patient."""
    positives, negatives = np.flatnonzero(target > 0.5), np.flatnonzero(target <= 0.5)
    psi = np.array([[float(score[i] > score[j]) + 0.5 * (score[i] == score[j]) for j in negatives] for i in positives])
    area, m, n = psi.mean(), len(positives), len(negatives)
    up: dict[int, float] = {}
    down: dict[int, float] = {}
    for row, i in enumerate(positives):
        up[patients[i]] = up.get(patients[i], 0) + psi[row].mean() - area
    for column, j in enumerate(negatives):
        down[patients[j]] = down.get(patients[j], 0) + psi[:, column].mean() - area
    everyone = up.keys() | down.keys()
    s10 = len(up) / ((len(up) - 1) * m) * sum(x * x for x in up.values())
    s01 = len(down) / ((len(down) - 1) * n) * sum(x * x for x in down.values())
    s11 = len(everyone) / (len(everyone) - 1) * sum(up.get(k, 0) * down.get(k, 0) for k in everyone)
    return area, max(0.0, s10 / m + s01 / n + 2 * s11 / (m * n))


@given(seed=st.integers(0, 10_000), repeats=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_equals_the_definition(seed: int, repeats: int) -> None:
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(30), repeats)
    target = rng.integers(0, 2, len(patients)).astype(float)
    target[: 4 * repeats : repeats], target[1 : 4 * repeats : repeats] = 1, 0
    score = np.round(target + rng.normal(0, 1.5, len(patients)), 1)  # with ties
    area, variance = delong(target, score, patients)
    if np.isfinite(variance):
        assert (area, variance) == pytest.approx(slow(target, score, patients))
        assert area == pytest.approx(roc_auc_score(target, score))


def test_by_hand() -> None:
    """Positives 3, 1 and negatives 2, 0: components 1, ½ and ½, 1; both variances 1/8, over 2: 1/8 in all."""
    target, score = np.array([1.0, 1, 0, 0]), np.array([3.0, 1, 2, 0])
    assert delong(target, score, np.arange(4)) == pytest.approx((0.75, 0.125 / 2 + 0.125 / 2))


def test_repeating_every_record_of_a_patient_tells_nothing_new() -> None:
    rng = np.random.default_rng(0)
    target = (rng.random(200) < 0.4).astype(float)
    score = target + rng.normal(0, 1, 200)
    once = delong(target, score, np.arange(200))
    twice = delong(np.tile(target, 2), np.tile(score, 2), np.tile(np.arange(200), 2))
    assert twice == pytest.approx(once)
    as_if_independent = delong(np.tile(target, 2), np.tile(score, 2), np.arange(400))
    assert as_if_independent[1] == pytest.approx(once[1] / 2, rel=0.02)


def test_perfect_and_unknown() -> None:
    perfect = np.array([1.0, 1, 0, 0])
    assert delong_interval(perfect, perfect, np.arange(4), 0.95) == (1.0, 1.0)
    assert np.isnan(delong_interval(np.array([1.0, 0, 0]), np.arange(3.0), np.arange(3), 0.95)).all()


@pytest.mark.slow
def test_coverage_with_several_records_a_patient() -> None:
    """2,000 cohorts of 120 patients: 95 % of the intervals hold the true AUROC, within 1.5 points."""
    rng = np.random.default_rng(1)
    covered = 0
    truth = 0.7602  # of a normal score with shift 1 and unit variance: Φ(1 / √2)
    for _ in range(2000):
        patients = np.repeat(np.arange(120), rng.integers(1, 4, 120))
        target = (rng.random(120) < 0.4).astype(float)[patients]
        noise = np.sqrt(0.6) * rng.normal(size=120)[patients] + np.sqrt(0.4) * rng.normal(size=len(patients))
        low, high = delong_interval(target, target + noise, patients, 0.95)
        covered += low <= truth <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)
