"""Attacks on encoders: at chance where members are like others, successful where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.evaluate.attacks.encoder import attack_encoder, embedding_scores, view_similarity


def views(patients: int, seed: int, *, noise: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Views of patients that have a direction each; ``noise`` between views, ``shift`` along the last dimension."""
    rng = np.random.default_rng(seed)
    patient = rng.standard_normal((patients, 1, 12))
    made = patient + noise * rng.standard_normal((patients, 4, 12))
    made[..., -1] += shift
    return made.astype(np.float32)


def test_similarity_is_the_mean_cosine_of_any_two_views() -> None:
    made = views(5, seed=0)
    for patient, value in zip(made.astype(float), view_similarity(made), strict=True):
        unit = patient / np.linalg.norm(patient, axis=1, keepdims=True)
        pairs = [unit[one] @ unit[two] for one in range(4) for two in range(one)]
        assert value == pytest.approx(np.mean(pairs), abs=1e-6)


def test_members_like_others_are_not_found() -> None:
    membership = attack_encoder(views(400, seed=1), views(400, seed=2))
    for attack in (membership.similarity, membership.embedding):
        assert attack.low <= 0.01 <= attack.high
        assert attack.rate < 0.05


def test_members_with_views_close_together_are_found_by_both() -> None:
    membership = attack_encoder(views(400, seed=1, noise=0.2), views(400, seed=2))
    assert (membership.members, membership.others) == (400, 400)
    assert membership.similarity.rate > 0.5
    assert membership.embedding.rate > 0.5


def test_members_elsewhere_in_the_space_are_found_by_the_classifier_only() -> None:
    membership = attack_encoder(views(400, seed=1, shift=6), views(400, seed=2))
    assert membership.embedding.rate > 0.9


def test_nobody_is_scored_by_a_classifier_that_has_seen_them() -> None:
    """With more features than patients a classifier knows those it has seen by heart."""
    rng = np.random.default_rng(0)
    members, others = (rng.standard_normal((110, 3, 150)).astype(np.float32) for _ in range(2))
    found, rest = embedding_scores(members, others)
    assert abs(found.mean() - rest.mean()) < 0.1 * rest.std() + 0.1
