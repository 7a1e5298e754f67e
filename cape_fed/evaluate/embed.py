"""Embeddings of whole stores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.store.store import Store

BATCH = 256


def embed_store(encoder: PretrainedEncoder, store: Store) -> NDArray[np.float32]:
    """Embeddings ``[N, D]`` of a store's records, in their order; InputError where the store has another profile."""
    if store.profile.hash != encoder.profile.hash:
        raise InputError(
            f"{store.path} has profile {store.profile.name} ({store.profile.hash}), the encoder wants "
            f"{encoder.profile.name} ({encoder.profile.hash}): ingest the archive with --profile {encoder.profile.name}"
        )
    embedded = np.empty((len(store), encoder.dim), np.float32)
    by_length = np.argsort(store.valid, kind="stable")
    for start in range(0, len(store), BATCH):
        rows = np.sort(by_length[start : start + BATCH])
        embedded[rows] = encoder.embed_rows(store.gather(rows), store.valid[rows])
    return embedded
