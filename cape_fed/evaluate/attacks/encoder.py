"""Attacks on a released encoder by someone who holds recordings of candidates.

Contrastive training pulls views of the patients it sees together (Liu et al. 2021, EncoderMI). All functions take views
``[P, V, D]``: V embeddings of augmented recordings of each of P patients.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.attacks.rate import found
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.ridge import LinearProbe, fit_ridge
from cape_fed.release.membership import Membership
from cape_fed.seeds import derive_rng

Views = NDArray[np.float32]
_FOLDS = 5
_PENALTY = 0.1


def attack_encoder(members: Views, others: Views, seed: int = 0) -> Membership:
    """How many of the ``members`` two attacks find at 1 % false positives; InputError as `true_positive_rate`."""
    learnt = embedding_scores(members, others, seed)
    return Membership(
        members=len(members),
        others=len(others),
        similarity=found(view_similarity(members), view_similarity(others), seed),
        embedding=found(*learnt, seed),
    )


def view_similarity(views: Views) -> NDArray[np.float64]:
    """Mean cosine ``[P]`` between any two views of a patient; V of at least 2."""
    unit = views / np.maximum(np.linalg.norm(views, axis=2, keepdims=True), 1e-12)
    count = views.shape[1]
    total = np.square(np.linalg.norm(unit.sum(axis=1), axis=1), dtype=np.float64)
    return np.asarray((total - count) / (count * (count - 1)))


def embedding_scores(members: Views, others: Views, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of a linear classifier that has seen other members and others: of the strongest attacker who knows many.

    Its features are the mean of a patient's views, their spread in every dimension, the norm and their similarity.
    Every patient is scored by a classifier that was fitted without it, one of five.
    """
    x = np.concatenate([_describe(members), _describe(others)])
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-12)
    y = np.repeat([1.0, 0.0], [len(members), len(others)])
    scores = np.empty(len(x))
    for tested in _folds(len(x), seed):
        scores[tested] = _fit(x[~tested], y[~tested]).scores(x[tested])[:, 0]
    return scores[: len(members)], scores[len(members) :]


def _describe(views: Views) -> NDArray[np.float64]:
    """Features ``[P, 2 D + 2]`` of each patient."""
    wide = views.astype(np.float64)
    mean = wide.mean(axis=1)
    norm = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.concatenate([mean, wide.std(axis=1), norm, view_similarity(views)[:, None]], axis=1)


def _fit(x: NDArray[np.float64], y: NDArray[np.float64]) -> LinearProbe:
    """A ridge regression for which both kinds of patient weigh the same."""
    kinds = [Moments.of(x[y == kind], y[y == kind]) for kind in (0.0, 1.0)]
    total = kinds[0] * (1 / max(kinds[0].n, 1.0)) + kinds[1] * (1 / max(kinds[1].n, 1.0))
    (probe,) = fit_ridge(total, [_PENALTY])
    return probe


def _folds(count: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Which of ``count`` patients are scored, fold by fold."""
    fold = derive_rng(seed, "membership folds").permutation(count) % _FOLDS
    for number in range(_FOLDS):
        yield fold == number
