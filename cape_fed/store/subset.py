"""A store of some of another's records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cape_fed.store.format import StoreFiles
from cape_fed.store.store import Store, write_store


def write_subset(store: Store, rows: NDArray[np.int64], path: Path, cohort: str) -> Store:
    """Copy the records in ``rows`` (``[n]``) of a store into a store of their own, called ``cohort``."""
    table = pq.read_table(StoreFiles.of(store.path).records).take(rows)
    return write_store(path, cohort=cohort, profile=store.profile, signals=store.gather(rows), records=table)
