"""Stores without any physiology, and embeddings that know patients, cohorts, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.probes.representation import Embed
from cape_fed.signal.profile import Profile
from cape_fed.store import Store, write_store

PROFILE = Profile(name="test", fs=50, samples=100)
LABELS = ("AF", "LBBB")
LATENT = 6
TYPICAL, SPREAD = np.array([60.0, 0.5, 0.4, 0.35]), np.array([12.0, 0.5, 0.5, 0.5])


def make_store(path: Path, cohort: str, *, seed: int, patients: int = 160, **columns: Any) -> Store:
    """Write a store of about 1.5 records a patient; age, sex, AF and LBBB follow from the patient's latent values."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.concatenate([np.arange(patients), rng.integers(0, patients, patients // 2)]))
    z = latent(seed, patients)[owner]
    drawn = {
        "record": [f"{cohort}-{row}" for row in range(len(owner))],
        "patient": [f"{cohort}{patient:06x}" for patient in owner],
        "age": (60 + 12 * z[:, 0]).clip(18, 95),
        "sex": np.where(z[:, 1] > 0, "F", "M").astype(object),
        "AF": z[:, 2] > 0.3,
        "LBBB": z[:, 3] > 0.4,
    }
    signals = rng.integers(-900, 900, (len(owner), 12, PROFILE.samples)).astype(np.int16)
    return write_store(path, cohort=cohort, profile=PROFILE, signals=signals, records=drawn | columns)


def latent(seed: int, patients: int) -> NDArray[np.float64]:
    """What the targets of a store's patients follow from, ``[patients, LATENT]``."""
    return np.random.default_rng([seed, 1]).standard_normal((patients, LATENT))


def embedding(*, knows: float, artefact: float = 0.0, seed: int = 0, width: int = 16) -> Embed:
    """An encoder that carries targets with weight ``knows`` and a shift of each cohort with weight ``artefact``."""

    def embed(store: Store) -> NDArray[np.float32]:
        rng = np.random.default_rng([seed, len(store), *store.cohort.encode()])
        known = np.column_stack([store.label(name) for name in ("age", "sex", *LABELS)])
        known = np.nan_to_num((known - TYPICAL) / SPREAD)
        mixing = np.random.default_rng(seed).standard_normal((known.shape[1], width))
        shift = artefact * rng.standard_normal(width)
        return (knows * known @ mixing + shift + 2 * rng.standard_normal((len(store), width))).astype(np.float32)

    return embed
