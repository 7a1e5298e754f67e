"""Embeddings of augmented recordings, as an attacker on an encoder makes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.config import AugmentConfig
from cape_fed.release.embed import BATCH, check_profile
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.seeds import derive_seed
from cape_fed.store.store import Store


@torch.no_grad()
def embed_views(
    encoder: PretrainedEncoder,
    store: Store,
    patients: NDArray[np.int64],
    rows: NDArray[np.int64],
    views: int,
    seed: int,
) -> NDArray[np.float32]:
    """Embeddings ``[P, V, D]`` of ``views`` augmented recordings of each of ``patients``, codes of a store.

    The recordings of a patient among ``rows`` take turns. Augmented as in training; InputError as `check_profile`.
    """
    check_profile(encoder, store)
    augmentation = Augmentation(_augmentation(encoder), store.profile.fs)
    device = next(encoder.encoder.parameters()).device
    generator = torch.Generator(device)
    generator.manual_seed(derive_seed(seed, "membership views", store.cohort))
    recordings = np.concatenate(_recordings(store, patients, rows, views))
    embedded = np.empty((len(recordings), encoder.dim), np.float32)
    for start in range(0, len(recordings), BATCH):
        chunk = recordings[start : start + BATCH]
        ecg = torch.from_numpy(store.gather(chunk)).to(device)
        valid = torch.from_numpy(store.valid[chunk].astype(np.int64)).to(device)
        embedded[start : start + BATCH] = encoder.encoder(*augmentation(ecg, valid, generator)).float().cpu().numpy()
    return embedded.reshape(len(patients), views, encoder.dim)


def _augmentation(encoder: PretrainedEncoder) -> AugmentConfig:
    """The augmentations that the encoder was trained with, or the default ones."""
    return AugmentConfig.model_validate(encoder.provenance.config.get("augment", {}))


def _recordings(
    store: Store, patients: NDArray[np.int64], rows: NDArray[np.int64], views: int
) -> Sequence[NDArray[np.int64]]:
    """For each patient as many rows as there are views."""
    order = rows[np.argsort(store.patients[rows], kind="stable")]
    codes = store.patients[order]
    begins, ends = np.searchsorted(codes, patients), np.searchsorted(codes, patients, side="right")
    return [np.resize(order[begin:end], views) for begin, end in zip(begins, ends, strict=True)]
