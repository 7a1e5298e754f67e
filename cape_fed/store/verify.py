"""The slow check of a store: every signal against its digest."""

from __future__ import annotations

import numpy as np

from cape_fed.store.fingerprint import signal_digests
from cape_fed.store.store import Store

BLOCK = 4096


def damaged_records(store: Store) -> list[str]:
    """Read the whole store and return the names of records whose signal is not what was written."""
    damaged: list[str] = []
    for start in range(0, len(store), BLOCK):
        differs = signal_digests(store.signals[start : start + BLOCK]) != store.digests[start : start + BLOCK]
        damaged += store.records[start + np.flatnonzero(differs)].tolist()
    return damaged
