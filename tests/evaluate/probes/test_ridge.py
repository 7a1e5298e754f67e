from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.ridge import choose_ridge, fit_ridge

PENALTIES = (1e-3, 1e-1, 10.0)


def cohort(seed: int, n: int, width: int = 12, targets: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((n, width)) * np.linspace(1, 30, width) + 5 * seed).astype(np.float32)
    y = x[:, :targets] / 10 + rng.standard_normal((n, targets)) + seed
    return x, y


@pytest.mark.parametrize("penalty", PENALTIES)
def test_equals_sklearn_ridge_on_standardised_features(penalty: float) -> None:
    x, y = cohort(1, 200)
    (probe,) = fit_ridge(Moments.of(x, y), [penalty])
    scaled = StandardScaler().fit(x.astype(np.float64))
    reference = Ridge(alpha=penalty * len(x)).fit(scaled.transform(x.astype(np.float64)), y)
    np.testing.assert_allclose(
        probe.scores(x), reference.predict(scaled.transform(x.astype(np.float64))), rtol=1e-6, atol=1e-6
    )


def test_summed_cohorts_give_the_pooled_probe() -> None:
    trains, valids = [cohort(s, 80 + s) for s in range(4)], [cohort(s + 10, 30) for s in range(4)]
    pooled = [np.concatenate(part) for part in zip(*trains, strict=True)]
    held = [np.concatenate(part) for part in zip(*valids, strict=True)]
    central = choose_ridge(Moments.of(*pooled), Moments.of(*held), PENALTIES)
    summed = choose_ridge(
        reduce(add, (Moments.of(*part) for part in trains)),
        reduce(add, (Moments.of(*part) for part in valids)),
        PENALTIES,
    )
    assert summed.penalty == central.penalty
    np.testing.assert_allclose(summed.scores(pooled[0]), central.scores(pooled[0]), rtol=1e-6)


def test_squared_error_from_moments_is_that_of_the_records() -> None:
    x, y = cohort(2, 100)
    for probe in fit_ridge(Moments.of(*cohort(3, 90)), PENALTIES):
        direct = np.square(probe.scores(x) - y).sum()
        assert probe.squared_error(Moments.of(x, y)) == pytest.approx(direct, rel=1e-8)


def test_the_penalty_is_the_best_on_validation() -> None:
    rng = np.random.default_rng(0)
    train_x, valid_x = rng.standard_normal((30, 25)), rng.standard_normal((500, 25))
    train_y, valid_y = (x[:, :1] + 2 * rng.standard_normal((len(x), 1)) for x in (train_x, valid_x))
    train, valid = Moments.of(train_x, train_y), Moments.of(valid_x, valid_y)
    chosen = choose_ridge(train, valid, PENALTIES)
    errors = [np.square(probe.scores(valid_x) - valid_y).sum() for probe in fit_ridge(train, PENALTIES)]
    assert chosen.penalty == PENALTIES[int(np.argmin(errors))] > PENALTIES[0]


def test_no_validation_records_means_the_middle_penalty() -> None:
    assert choose_ridge(Moments.of(*cohort(1, 50)), Moments.zero(12, 2), PENALTIES).penalty == PENALTIES[1]


@pytest.mark.parametrize("constant", [0.0, 1e6, -3.7e-3])
def test_constant_features_get_no_weight(constant: float) -> None:
    x, y = cohort(1, 60)
    x[:, 4] = constant
    (probe,) = fit_ridge(Moments.of(x, y), [1e-3])
    assert np.all(probe.weights[4] == 0)
    assert np.isfinite(probe.scores(x)).all()


def test_a_unit_that_is_silent_in_training_does_not_rule_elsewhere() -> None:
    """One train record has a millionth of it, one elsewhere a twentieth: scores stay what the other features say."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 8))
    y = x[:, :1] + rng.standard_normal((300, 1))
    silent, awake = np.zeros((300, 1)), np.full((5, 1), 0.05)
    silent[7] = 1e-6
    elsewhere = rng.standard_normal((5, 8))
    with_it = fit_ridge(Moments.of(np.hstack([x, silent]), y), [0.01])[0].scores(np.hstack([elsewhere, awake]))
    without = fit_ridge(Moments.of(x, y), [0.01])[0].scores(elsewhere)
    np.testing.assert_allclose(with_it, without, atol=0.01)


def test_nothing_to_learn_predicts_the_mean() -> None:
    y = np.array([[1.0], [0.0], [1.0], [1.0]])
    (probe,) = fit_ridge(Moments.of(np.ones((4, 3)), y), [0.1])
    np.testing.assert_allclose(probe.scores(np.zeros((2, 3))), 0.75)
