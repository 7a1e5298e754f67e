"""How far the updates of the sites pull apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cape_fed.federation.update import Changes


def client_drift(updates: Sequence[Changes]) -> dict[str, float]:
    """Client drift: mean distance of an update from their mean over the norm of that mean, and mean pairwise cosine.

    Empty for a single site and where an update is 0.
    """
    flat = np.stack([np.concatenate([value.ravel() for value in changes.values()]) for changes in updates])
    mean, norms = flat.mean(axis=0), np.linalg.norm(flat, axis=1)
    if len(flat) < 2 or not np.linalg.norm(mean) or not norms.all():
        return {}
    cosines = (flat @ flat.T) / np.outer(norms, norms)
    return {
        "drift": float(np.linalg.norm(flat - mean, axis=1).mean() / np.linalg.norm(mean)),
        "cosine": float(cosines[~np.eye(len(flat), dtype=bool)].mean()),
    }
