"""The bootstrap does what it promises: its intervals cover, and its paired test keeps its level.

2,000 made-up cohorts each, with several correlated records a patient; about a minute.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import norm

from cape_fed.evaluate.bootstrap import Draws, Sampled, bootstrap
from cape_fed.evaluate.metrics import ranking_metrics, regression_metrics

COHORTS, PATIENTS, RESAMPLES = 2000, 300, 400
"""With 150 patients the AUROC's intervals covered in 93.5 %: percentile intervals are a little short in small cohorts."""


def records(rng: np.random.Generator) -> np.ndarray:
    """Patient of each record, one to three a patient."""
    return np.repeat(np.arange(PATIENTS), rng.integers(1, 4, PATIENTS))


def noise(patients: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unit variance, half of it the patient's own."""
    return np.sqrt(0.5) * rng.normal(size=PATIENTS)[patients] + np.sqrt(0.5) * rng.normal(size=len(patients))


def resampled(metrics: object, cohort: int) -> dict[str, Sampled]:
    return bootstrap({"": metrics}, Draws(PATIENTS, RESAMPLES, 0, str(cohort)))[""]  # type: ignore[dict-item]


@pytest.mark.slow
def test_intervals_of_auroc_and_of_the_error_cover() -> None:
    rng = np.random.default_rng(0)
    truth = {"auroc": norm.cdf(1 / np.sqrt(2)), "mae": np.sqrt(2 / np.pi)}
    covered = dict.fromkeys(truth, 0)
    for cohort in range(COHORTS):
        patients = records(rng)
        target = (rng.random(PATIENTS) < 0.4).astype(float)[patients]
        score, error = target + noise(patients, rng), noise(patients, rng)
        found = resampled(partial(ranking_metrics, target, score, patients), cohort)
        found |= resampled(partial(regression_metrics, np.zeros(len(error)), error, patients), cohort)
        for metric, true in truth.items():
            low, high = found[metric].interval(0.95)
            covered[metric] += low <= true <= high
    for metric, count in covered.items():
        assert count / COHORTS == pytest.approx(0.95, abs=0.015), metric


@pytest.mark.slow
def test_the_paired_test_finds_a_difference_where_there_is_none_as_often_as_it_says() -> None:
    """Two methods of equal true AUROC whose scores go together: p below 0.05 in 5 %, within 1.5 points."""
    rng = np.random.default_rng(1)
    positive = 0
    for cohort in range(COHORTS):
        patients = records(rng)
        target = (rng.random(PATIENTS) < 0.4).astype(float)[patients]
        shared = noise(patients, rng)
        one, other = (
            resampled(
                partial(ranking_metrics, target, target + np.sqrt(0.6) * shared + np.sqrt(0.4) * own, patients), cohort
            )
            for own in (noise(patients, rng), noise(patients, rng))
        )
        positive += (one["auroc"] - other["auroc"]).p_value() < 0.05
    assert positive / COHORTS == pytest.approx(0.05, abs=0.015)
