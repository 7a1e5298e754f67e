"""Batches from a store compared with a Dataset that opens WFDB files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
import wfdb
from scipy.signal import resample_poly
from torch.utils.data import DataLoader, Dataset

from bench.ingest import store_of
from bench.row import Row
from cape_fed.pretrain.feed import Feed
from cape_fed.pretrain.stages.batching import make_batching
from cape_fed.pretrain.stages.pairs import PermutedPairs
from cape_fed.store.store import open_store

PAIRS, STORE_BATCHES, FILE_BATCHES, WORKERS = 64, 200, 12, 2


class WfdbPairs(Dataset[torch.Tensor]):
    """Each item is two records, read and resampled when it is asked for."""

    def __init__(self, headers: list[Path]) -> None:
        self.names = [str(header.with_suffix("")) for header in headers]

    def __len__(self) -> int:
        return len(self.names) // 2

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.stack([self._read(2 * index), self._read(2 * index + 1)])

    def _read(self, index: int) -> torch.Tensor:
        record = wfdb.rdrecord(self.names[index])
        signal = resample_poly(record.p_signal, 100, record.fs, axis=0)[:1000]
        return torch.from_numpy(np.ascontiguousarray(signal.T, np.float32))


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    store = open_store(store_of(scratch, archive))
    pairs = PermutedPairs(store.cohort, np.arange(len(store)), store.patients, 0)
    feed = Feed([store], make_batching("idb", [pairs], PAIRS, STORE_BATCHES, 0), torch.device("cpu"))
    list(feed.stream(0, 20))
    begin = perf_counter()
    for _ in feed.stream(0, STORE_BATCHES):
        pass
    ours = STORE_BATCHES / (perf_counter() - begin)
    loader = DataLoader(WfdbPairs(sorted(archive.rglob("*.hea"))), PAIRS, shuffle=True, num_workers=WORKERS)
    batches = iter(loader)
    next(batches)
    begin = perf_counter()
    for _ in range(FILE_BATCHES - 1):
        next(batches)
    reference = (FILE_BATCHES - 1) / (perf_counter() - begin)
    size = 2 * PAIRS * 12 * 1000
    yield Row(
        f"batches of {PAIRS} pairs, compact100",
        f"{ours:,.0f} batches/s from the store",
        f"WFDB Dataset, {WORKERS} loader processes: {reference:,.1f} batches/s",
        f"{ours / reference:.0f}x",
        "20x",
        f"{2 * size / 1e6:.1f} MB gathered and {4 * size / 1e6:.1f} MB converted a batch",
    )
