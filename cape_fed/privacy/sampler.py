"""Which patients a private step contrasts: random disjoint blocks, each in the step with the same probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cape_fed.pretrain.stages.batching import Batch
from cape_fed.pretrain.stages.pairs import Positives
from cape_fed.privacy.entropy import system_rng
from cape_fed.privacy.roster import Slots

Rows = NDArray[np.int64]


class BlockSampler:
    """Draws B ~ Binomial(⌊N/k⌋, q) blocks of k distinct slots for every step, cohort by cohort.

    That is a uniformly random partition into blocks of which each is taken with probability q, independently: never
    a fixed batch, an epoch's shuffle, or a Poisson sample grouped in order. A block has patients of one cohort.
    """

    def __init__(
        self, cohorts: Sequence[Slots], block: int, sample_rate: float, views: int, positives: Positives = "both"
    ) -> None:
        self.cohorts = cohorts
        self.block = block
        self.sample_rate = sample_rate
        self.views = views
        self.positives = positives
        self.rng = system_rng()
        self._first_slot = np.cumsum([0, *(len(slots) for slots in cohorts)])

    @property
    def blocks(self) -> int:
        """M: blocks that all slots make, over all cohorts."""
        return sum(len(slots) // self.block for slots in self.cohorts)

    def draw(self, cohort: int) -> Rows:
        """Slots of the blocks of one step from one cohort, ``[B, k]``, all different."""
        slots = len(self.cohorts[cohort])
        count = int(self.rng.binomial(slots // self.block, self.sample_rate))
        return self.rng.choice(slots, count * self.block, replace=False).reshape(count, self.block)

    def batch(self, step: int) -> Batch:
        """Pairs of a step's blocks, in the order ``[B, views, k]``; new ones whenever it is asked.

        Blocks with an empty slot are left out: they count for 0.
        """
        parts = [self._pairs(cohort, self.draw(cohort)) for cohort in range(len(self.cohorts))]
        return Batch(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _pairs(self, cohort: int, drawn: Rows) -> tuple[Rows, Rows, Rows, Rows]:
        slots = self.cohorts[cohort]
        whole = drawn[(slots.count[drawn] > 0).all(axis=1)]
        slot = np.repeat(whole[:, None, :], self.views, axis=1).ravel()
        count, start = slots.count[slot], slots.start[slot]
        one = self.rng.integers(0, count)
        step = 1 + self.rng.integers(0, np.maximum(count - 1, 1))
        other = np.where((count > 1) & (self.positives != "augmentation"), (one + step) % count, one)
        rows = slots.rows
        return np.full(len(slot), cohort), rows[start + one], rows[start + other], self._first_slot[cohort] + slot
