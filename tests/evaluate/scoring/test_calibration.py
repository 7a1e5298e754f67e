"""Calibration against scikit-learn, by hand, and where a cohort's scores are shifted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.probes.fit import fit
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.scoring.calibration import FEWEST, calibrate, calibration_metrics, fit_map, reliability
from cape_fed.store.split import split_patients
from tests.evaluate.fake import embedding, make_store


def made_up(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.random(count)
    return (rng.random(count) < p).astype(float), p


def block(score: np.ndarray, target: np.ndarray) -> Prediction:
    rows = np.arange(len(score))
    return Prediction("m", "c", "AF", "transfer", rows, rows, target, score)


def test_brier_and_error_equal_scikit_learns() -> None:
    target, p = made_up(0)
    found = calibration_metrics(target, p, np.arange(400), np.ones((400, 1)))
    assert found["brier"][0] == pytest.approx(brier_score_loss(target, p))
    observed, predicted = calibration_curve(target, p, n_bins=10, strategy="quantile")
    assert found["ece"][0] == pytest.approx(np.abs(observed - predicted).mean())
    curve = reliability(target, p, np.arange(400), 1)
    assert [b.observed for b in curve] == pytest.approx(observed.tolist())
    assert [b.predicted for b in curve] == pytest.approx(predicted.tolist())


def test_by_hand_and_under_weights() -> None:
    target, p = np.array([1.0, 0.0]), np.array([0.8, 0.4])
    found = calibration_metrics(target, p, np.arange(2), np.array([[1.0, 3.0], [1.0, 1.0]]))
    assert found["brier"] == pytest.approx([(0.04 + 0.16) / 2, (3 * 0.04 + 0.16) / 4])
    assert found["ece"] == pytest.approx([(0.2 + 0.4) / 2, (3 * 0.2 + 0.4) / 4])


def test_weights_are_repetitions() -> None:
    target, p = made_up(1, 60)
    counts = np.random.default_rng(2).integers(0, 4, 60)
    again = np.repeat(np.arange(60), counts)
    weighted = calibration_metrics(target, p, np.arange(60), counts[:, None].astype(float))
    assert weighted["brier"][0] == pytest.approx(brier_score_loss(target[again], p[again]))


def test_few_patients_give_no_bin() -> None:
    target, p = made_up(3, 100)
    assert reliability(target, p, np.arange(100), 11) == []
    assert sum(b.n for b in reliability(target, p, np.arange(100), 10)) == 100


def test_a_map_makes_frequencies_of_scores_and_needs_both_classes() -> None:
    target, p = made_up(4, 3000)
    convert = fit_map([block(np.log(p / (1 - p)) * 3 + 7, target)])
    assert convert is not None
    assert np.abs(convert(np.log(p / (1 - p)) * 3 + 7) - p).max() < 0.06
    assert fit_map([block(p[: FEWEST + 3], np.zeros(FEWEST + 3))]) is None


def test_recalibration_mends_a_cohort_whose_prevalence_is_another(tmp_path: Path) -> None:
    stores = [
        make_store(tmp_path / "a", "a", seed=0, patients=400),
        make_store(tmp_path / "b", "b", seed=1, patients=400),
    ]
    rare = make_store(tmp_path / "r", "r", seed=2, patients=600)
    shifted = make_store(
        tmp_path / "c", "c", seed=2, patients=600, AF=(rare.label("AF") == 1) & (rare.label("age") > 62)
    )
    everyone = [*stores, shifted]
    splits = {store.cohort: split_patients(store, 0) for store in everyone}
    cohorts = make_cohorts(stores, [shifted], splits, ["age", "sex", "AF"])
    method = Representation("m", embedding(knows=0.6))
    features = {cohort.name: method.features(cohort.store) for cohort in cohorts}
    options = EvaluateOptions(resamples=50, min_patients=5)
    found = {
        (entry.cohort, entry.task): entry
        for entry in calibrate(method, cohorts, features, fit(method, cohorts, features, options).transfer, options)
    }
    assert {task for _, task in found} == {"sex", "AF"}
    before, after = found["c", "AF"].ece.point, found["c", "AF"].recalibrated_ece.point  # type: ignore[union-attr]
    assert after < 0.75 * before  # type: ignore[operator]
    assert found["a", "AF"].ece.point < before  # type: ignore[operator]
    tested = cohorts[2].tested["within"]
    assert found["c", "AF"].n == len(tested)
    assert not set(shifted.patients[tested]) & set(shifted.patients[splits["c"].valid])
