"""Hashes that tell whether a store is what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLED_ROWS = 64


def signal_digests(signals: NDArray[np.int16]) -> NDArray[np.uint64]:
    """64-bit BLAKE2b of each row's bytes, ``[N]`` for ``[N, ...]``; equal for exactly equal rows."""
    rows = (hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=8).digest() for row in signals)
    return np.frombuffer(b"".join(rows), "<u8").astype(np.uint64)


def store_fingerprint(meta: Mapping[str, Any], records: Path, signals: NDArray[np.int16]) -> str:
    """Hash of a store that is cheap to check at every opening.

    Covers the contents of ``store.json`` (``meta`` without its fingerprint), every byte of the table and 64 rows of
    the signals. The table holds a digest of each row, so together with those the whole store can be verified.
    """
    described = {key: value for key, value in meta.items() if key != "fingerprint"}
    state = hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=16)
    with records.open("rb") as file:
        state.update(hashlib.file_digest(file, "blake2b").digest())
    for row in np.unique(np.linspace(0, len(signals) - 1, SAMPLED_ROWS).astype(np.int64)):
        state.update(np.ascontiguousarray(signals[row]).data)
    return state.hexdigest()
