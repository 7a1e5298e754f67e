from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from cape_fed.evaluate.artefact.discriminant import fit_discriminants
from cape_fed.evaluate.probes.moments import Moments

SIZES = (300, 80, 40)


def sums(features: np.ndarray) -> Moments:
    return Moments.of(features, np.empty((len(features), 0)))


def classes(offset: float = 0.0, width: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((width, width))
    return [offset + rng.standard_normal(width) + rng.standard_normal((n, width)) @ mixing for n in SIZES]


@pytest.mark.parametrize("sizes", [(80, 80, 80), SIZES])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_without_a_penalty_it_is_that_of_sklearn(sizes: tuple[int, ...], offset: float) -> None:
    groups = [np.resize(group, (n, group.shape[1])) for group, n in zip(classes(offset), sizes, strict=True)]
    x, y = np.concatenate(groups), np.repeat(np.arange(len(sizes)), sizes)
    slow = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1e-10, priors=[1 / 3] * 3).fit(x, y)
    (probe,) = fit_discriminants([sums(group) for group in groups], [1e-10])
    # Softmax takes away what all scores of a record share.
    scores = probe.scores(x)
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(likelihood / likelihood.sum(1, keepdims=True), slow.predict_proba(x), atol=1e-4)
    assert (scores.argmax(axis=1) == slow.predict(x)).mean() > 0.995


def test_sums_of_parts_give_the_same_fit() -> None:
    groups = classes()
    whole = fit_discriminants([sums(group) for group in groups], [0.1])[0]
    parts = fit_discriminants([sums(group[:13]) + sums(group[13:]) for group in groups], [0.1])[0]
    np.testing.assert_allclose(parts.weights, whole.weights)
    np.testing.assert_allclose(parts.intercept, whole.intercept)


def test_units_of_features_do_not_matter_within_two_orders_of_magnitude() -> None:
    groups, units = classes(), np.array([1.0, 0.2, 5.0, 1.0, 7.0, 1.0])
    plain = fit_discriminants([sums(group) for group in groups], [0.1])[0]
    scaled = fit_discriminants([sums(group * units) for group in groups], [0.1])[0]
    np.testing.assert_allclose(scaled.scores(groups[0] * units), plain.scores(groups[0]), rtol=1e-6, atol=1e-8)


def test_constant_features_take_no_part_and_constant_classes_are_distinguished() -> None:
    everywhere = [np.full((5, 2), 3.0) for _ in range(3)]
    (nothing,) = fit_discriminants([sums(group) for group in everywhere], [0.1])
    assert not nothing.weights.any()
    own = [np.full((5, 1), float(value)) for value in range(3)]
    (probe,) = fit_discriminants([sums(group) for group in own], [0.001])
    assert [int(probe.scores(group)[0].argmax()) for group in own] == [0, 1, 2]
