"""How far sites' encoders turn away from the round's, and averages that give those less weight that turn far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.federation.update import Changes, Update


def client_drift(updates: Sequence[Changes]) -> dict[str, float]:
    """How far sites pull apart: mean distance of an update from their mean over its length, and mean pairwise cosine.

    Nothing for a single site or where an update is 0.
    """
    flat = np.stack([np.concatenate([value.ravel() for value in changes.values()]) for changes in updates])
    mean, lengths = flat.mean(axis=0), np.linalg.norm(flat, axis=1)
    if len(flat) < 2 or not np.linalg.norm(mean) or not lengths.all():
        return {}
    cosines = (flat @ flat.T) / np.outer(lengths, lengths)
    return {
        "drift": float(np.linalg.norm(flat - mean, axis=1).mean() / np.linalg.norm(mean)),
        "cosine": float(cosines[~np.eye(len(flat), dtype=bool)].mean()),
    }


def weigh_by_divergence(encoder: Mapping[str, Tensor], updates: Sequence[Update]) -> list[Update]:
    """Scale updates so that their mean weighted by patients is L-DAWA's (after Rehman et al. 2023).

    Each tensor of a site weighs its patients times the cosine between that tensor at the site and the round's; a
    negative cosine counts as 0. Weights are normalised to sum to 1, where the paper divides by the number of sites and
    so shrinks the encoder. Where no site's cosine is above 0, patients alone weigh.
    """
    total = sum(update.weight for update in updates)
    factors = {}
    for name, value in encoder.items():
        before = value.detach().cpu().numpy().astype(np.float64).ravel()
        cosines = np.array([max(0.0, _cosine(before, before + u.changes[name].ravel())) for u in updates])
        weights = np.array([update.weight for update in updates]) * cosines
        factors[name] = cosines * total / weights.sum() if weights.sum() > 0 else np.ones(len(updates))
    return [
        replace(update, changes={name: value * factors[name][index] for name, value in update.changes.items()})
        for index, update in enumerate(updates)
    ]


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Cosine of two vectors; 1 for two zeros, 0 where one alone is zero."""
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    if not all(lengths):
        return float(lengths[0] == lengths[1])
    return float(one @ other) / (lengths[0] * lengths[1])
