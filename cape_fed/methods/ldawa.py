"""L-DAWA: tensors that turn away from the round's encoder weigh less (after Rehman et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.federation.update import Update
from cape_fed.methods.base import Method, NoOptions


class LDAWA(Method[NoOptions]):
    """FedAvg whose weights take in the angle between a site's tensor and the round's."""

    name = "ldawa"

    def weigh(self, encoder: Mapping[str, Tensor], updates: Sequence[Update]) -> Sequence[Update]:
        """See `weigh_by_divergence`."""
        return weigh_by_divergence(encoder, updates)


def weigh_by_divergence(encoder: Mapping[str, Tensor], updates: Sequence[Update]) -> list[Update]:
    """Scale updates so that their mean weighted by patients is L-DAWA's.

    Each tensor of a site weighs its patients times the cosine between that tensor at the site and the round's; a
    negative cosine counts as 0. Weights are normalised to sum to 1, where the paper divides by the number of sites and
    so shrinks the encoder. Where the cosine of no site is above 0, patients alone weigh.
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
    """Cosine of two vectors; 1 for two zeros, 0 where only one is zero."""
    norms = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    if not all(norms):
        return float(norms[0] == norms[1])
    return float(one @ other) / (norms[0] * norms[1])
