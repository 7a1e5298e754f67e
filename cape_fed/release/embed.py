"""Embeddings of the records of a store."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.store.store import Store

BATCH = 256


def embed_store(encoder: PretrainedEncoder, store: Store, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Embeddings ``[N, D]`` of a store's records, or of some rows, in their order; InputError as `check_profile`."""
    check_profile(encoder, store)
    wanted = np.arange(len(store)) if rows is None else rows
    embedded = np.empty((len(wanted), encoder.dim), np.float32)
    by_length = np.argsort(store.valid[wanted], kind="stable")
    for start in range(0, len(wanted), BATCH):
        places = np.sort(by_length[start : start + BATCH])
        embedded[places] = encoder.embed_rows(store.gather(wanted[places]), store.valid[wanted[places]])
    return embedded


def check_profile(encoder: PretrainedEncoder, store: Store) -> None:
    """InputError where a store has another profile than the one the encoder was trained with."""
    ours, theirs = encoder.profile, store.profile
    if ours.version != theirs.version:
        older, again = ("encoder", "train") if ours.version < theirs.version else ("store", "ingest")
        raise InputError(
            f"{store.path} was made by version {theirs.version} of profile arithmetic, the encoder by version "
            f"{ours.version}: {again} the {older} again"
        )
    if theirs.hash != ours.hash:
        raise InputError(
            f"{store.path} has profile {store.profile.name} ({store.profile.hash}), the encoder wants "
            f"{encoder.profile.name} ({encoder.profile.hash}): ingest the archive with --profile {encoder.profile.name}"
        )
