"""From a batch's row numbers to tensors on the device, one batch ahead of the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.pretrain.batching import Batch, Batching
from cape_fed.signal.profile import MICROVOLTS_PER_MV
from cape_fed.store.store import Store

View = tuple[Tensor, Tensor]
"""Recordings ``[B, 12, T]`` in mV and their valid samples ``[B]``."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """A batch on the device; element i of both sides belongs to patient ``group[i]``."""

    first: View
    second: View
    group: Tensor


class Feed:
    """Reads the batches of one process from the memory-mapped stores."""

    def __init__(
        self, stores: Sequence[Store], batching: Batching, device: torch.device, part: slice = slice(None)
    ) -> None:
        """``part`` selects this process's pairs of every batch."""
        self.stores = stores
        self.batching = batching
        self.device = device
        self.part = part

    def load(self, step: int) -> Pairs:
        """The pairs of one step."""
        batch = self.batching.batch(step)
        batch = Batch(*(getattr(batch, name)[self.part] for name in Batch.__slots__))
        signals, valid, first, second = self._read(batch)
        ecg = signals.to(self.device, non_blocking=True).float() / MICROVOLTS_PER_MV
        samples = valid.to(self.device, non_blocking=True)
        one, two = (torch.from_numpy(index).to(self.device) for index in (first, second))
        group = torch.from_numpy(batch.group).to(self.device)
        return Pairs((ecg[one], samples[one]), (ecg[two], samples[two]), group)

    def stream(self, start: int, stop: int) -> Iterator[tuple[int, Pairs]]:
        """Steps ``start`` to ``stop`` in order, the next one read while the current one trains."""
        with ThreadPoolExecutor(1, "feed") as reader:
            upcoming = reader.submit(self.load, start) if start < stop else None
            for step in range(start, stop):
                assert upcoming is not None
                pairs = upcoming.result()
                upcoming = reader.submit(self.load, step + 1) if step + 1 < stop else None
                yield step, pairs

    def _read(self, batch: Batch) -> tuple[Tensor, Tensor, NDArray[np.int64], NDArray[np.int64]]:
        """Each distinct record of the batch once, with the places of first and second views among them."""
        signals, valid, first, second, read = [], [], [], [], 0
        for cohort in np.unique(batch.cohort):
            own = batch.cohort == cohort
            rows, place = np.unique(np.concatenate([batch.first[own], batch.second[own]]), return_inverse=True)
            half = int(own.sum())
            signals.append(self.stores[cohort].gather(rows))
            valid.append(self.stores[cohort].valid[rows])
            first.append(place[:half] + read)
            second.append(place[half:] + read)
            read += len(rows)
        joined = signals[0] if len(signals) == 1 else np.concatenate(signals)
        samples = torch.from_numpy(np.concatenate(valid).astype(np.int64))
        tensor = torch.from_numpy(joined)
        if self.device.type == "cuda":
            tensor, samples = tensor.pin_memory(), samples.pin_memory()
        return tensor, samples, np.concatenate(first), np.concatenate(second)
