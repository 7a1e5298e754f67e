"""Which two records of a patient form a pair, and in which order the patients of a cohort come up."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cape_fed.seeds import derive_rng

Rows = NDArray[np.int64]
Positives = Literal["both", "patient", "augmentation"]


class PairSampler(Protocol):
    """An endless sequence of pairs of one cohort, the first stage of a training step."""

    name: str
    """Name of the cohort."""
    positives: Positives

    @property
    def patients(self) -> int:
        """Number of patients who are drawn."""
        ...

    @property
    def share_with_several(self) -> float:
        """Share of pairs that are made of two records of one patient; the others are two views of one record."""
        ...

    def draw(self, begin: int, count: int) -> tuple[Rows, Rows, Rows]:
        """Pairs ``begin .. begin + count``: rows of the first and of the second record, patients, each ``[count]``."""
        ...


class PermutedPairs:
    """Samples pairs in permuted epochs: every patient once an epoch, with another record where the patient has one.

    ``positives`` can ask for pairs of one kind only: ``augmentation`` pairs every record with itself, ``patient``
    leaves out patients with one record.

    The i-th pair depends on the seed, the name of the cohort and i alone, so that a site, a central run and a resumed
    run draw equal pairs.
    """

    def __init__(
        self, name: str, rows: Rows, patients: NDArray[np.int64], seed: int, positives: Positives = "both"
    ) -> None:
        """``rows`` ``[N]`` are the training rows of the store, ``patients`` ``[N]`` their patients."""
        order = np.argsort(patients, kind="stable")
        self.name = name
        self.seed = seed
        self.positives = positives
        self.rows = rows[order]
        codes, start, count = np.unique(patients[order], return_index=True, return_counts=True)
        usable = count > (1 if positives == "patient" else 0)
        self.codes, self._start, self._count = codes[usable], start[usable], count[usable]
        self._epoch = lru_cache(maxsize=2)(self._shuffle)  # a batch lies in one epoch or two

    @property
    def patients(self) -> int:
        """Number of patients."""
        return len(self.codes)

    @property
    def share_with_several(self) -> float:
        """Share of patients, and so of pairs, whose positive is another record rather than another view."""
        return 0.0 if self.positives == "augmentation" else float(np.mean(self._count > 1))

    def draw(self, begin: int, count: int) -> tuple[Rows, Rows, Rows]:
        """Pairs ``begin .. begin + count``: first rows, second rows, patient codes, each ``[count]``."""
        positions = np.arange(begin, begin + count)
        parts = [self._epoch(int(epoch))[:, positions[positions // self.patients == epoch] % self.patients]
                 for epoch in np.unique(positions // self.patients)]  # fmt: skip
        patient, first, second = np.concatenate(parts, axis=1)
        return self.rows[first], self.rows[second], self.codes[patient]

    def _shuffle(self, epoch: int) -> Rows:
        """``[3, patients]``: a shuffle of the patients with two positions in ``rows`` for each."""
        rng = derive_rng(self.seed, "pairs", self.name, epoch)
        patient = rng.permutation(self.patients)
        draws = rng.random((2, self.patients))
        count, start = self._count[patient], self._start[patient]
        one = (draws[0] * count).astype(np.int64)
        step = 1 + (draws[1] * (count - 1)).astype(np.int64)
        other = np.where((count > 1) & (self.positives != "augmentation"), (one + step) % count, one)
        return np.stack([patient, start + one, start + other])
