"""From a batch's row numbers to tensors on the device, one batch ahead of the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.pretrain.stages.batching import Batch, Batching
from cape_fed.store.store import Store

View = tuple[Tensor, Tensor]
"""Store rows ``[B, 12, T]`` (int16, 1 µV a step) and their valid samples ``[B]``."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """A batch on the device; element i of both sides belongs to patient ``group[i]`` of cohort ``cohort[i]``."""

    first: View
    second: View
    group: Tensor
    cohort: Tensor


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
        # NumPy until the copy to the device: PyTorch's own threads, woken from a second thread, would stall the step
        # that is being trained meanwhile.
        first, second = ((self._to_device(signals), self._to_device(valid)) for signals, valid in self._read(batch))
        return Pairs(first, second, self._to_device(batch.group), self._to_device(batch.cohort))

    def stream(self, start: int, stop: int) -> Iterator[tuple[int, Pairs]]:
        """Steps ``start`` to ``stop`` in order, the next one read while the current one trains."""
        with ThreadPoolExecutor(1, "feed") as reader:
            upcoming = reader.submit(self.load, start) if start < stop else None
            for step in range(start, stop):
                assert upcoming is not None
                pairs = upcoming.result()
                upcoming = reader.submit(self.load, step + 1) if step + 1 < stop else None
                yield step, pairs

    def _read(self, batch: Batch) -> list[tuple[NDArray[np.int16], NDArray[np.int64]]]:
        """Signals and valid samples of first and second views; each distinct record is read from the store once."""
        views: tuple[list[NDArray[np.int16]], list[NDArray[np.int16]]] = ([], [])
        samples: tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]] = ([], [])
        if not len(batch.cohort):  # as of a private step that drew no block
            return 2 * [(self.stores[0].gather([]), np.empty(0, np.int64))]
        for cohort in np.unique(batch.cohort):
            own, store = batch.cohort == cohort, self.stores[cohort]
            rows, place = np.unique(np.concatenate([batch.first[own], batch.second[own]]), return_inverse=True)
            signals = store.gather(rows)
            for side, index in enumerate(np.split(place, 2)):
                views[side].append(signals[index])
                samples[side].append(store.valid[rows[index]])
        return [(np.concatenate(views[side]), np.concatenate(samples[side]).astype(np.int64)) for side in (0, 1)]

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor
