"""Embeddings that a foreign encoder gives of a store, checked as they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.evaluate.foreign.load import LoadedForeign, one_line
from cape_fed.release.rows import of_one_length
from cape_fed.signal.leads import LEADS
from cape_fed.store import Store

BATCH = 64
"""Recordings of one call."""
TRIED = 2
"""Recordings on which an encoder is tried before any work begins."""


def embed_foreign(loaded: LoadedForeign, store: Store, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Embeddings ``[N, D]`` of a store's records, or of some rows, in their order.

    Records of one length go together, without their padding. InputError where the encoder raises, or gives something
    other than finite numbers ``[B, D]``.
    """
    wanted = np.arange(len(store)) if rows is None else rows
    embedded = np.empty((len(wanted), 0), np.float32)
    for places, length in of_one_length(store.valid[wanted], BATCH):
        found = embed_batch(
            loaded, store.millivolts(wanted[places])[..., :length], store.profile.fs, f"records of {store.cohort}"
        )
        if not embedded.size:
            embedded = np.empty((len(wanted), found.shape[1]), np.float32)
        if found.shape[1] != embedded.shape[1]:
            raise InputError(
                f"{loaded.called} gives embeddings of {embedded.shape[1]} and of {found.shape[1]} numbers, the latter "
                f"for records of {store.cohort} with {length} samples: all have to be of one length"
            )
        embedded[places] = found
    return embedded


def embed_batch(loaded: LoadedForeign, ecg_mv: NDArray[np.float32], fs: float, what: str) -> NDArray[np.float32]:
    """Embeddings ``[B, D]`` of ``[B, 12, n]`` mV; ``what`` these are is for the InputError, as in `embed_foreign`."""
    try:
        given = loaded.encoder.embed(ecg_mv, float(fs), LEADS)
        array = _array(given)
    except Exception as error:
        raise InputError(
            f"{loaded.called} raised {one_line(error)} (for {what}, {ecg_mv.shape} mV at {fs} Hz)"
        ) from error
    if array.ndim != 2 or len(array) != len(ecg_mv) or not array.shape[1]:
        raise InputError(
            f"{loaded.called} gave embeddings of shape {array.shape} for {len(ecg_mv)} {what}: "
            "one row of numbers a recording is needed, [B, D]"
        )
    bad = int((~np.isfinite(array).all(axis=1)).sum())
    if bad:
        raise InputError(
            f"{loaded.called} embeds {bad} of {len(ecg_mv)} {what} as NaN or infinity: leads and samples that were "
            "missing are 0, which may be what it divides by"
        )
    return array


def try_foreign(loaded: LoadedForeign, store: Store) -> int:
    """Embed the first records of a store; D. InputError as `embed_foreign`, before anything is begun or written."""
    return int(embed_foreign(loaded, store, np.arange(min(TRIED, len(store)))).shape[1])


def _array(given: Any) -> NDArray[np.float32]:
    return np.asarray(given.detach().cpu().float() if isinstance(given, torch.Tensor) else given, np.float32)
