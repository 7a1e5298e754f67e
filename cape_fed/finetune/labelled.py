"""Records with what is to be learnt of them, of one or more cohorts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort, Rows
from cape_fed.evaluate.targets.support import Support, support_of
from cape_fed.seeds import derive_rng
from cape_fed.store.store import Store

Part = Literal["train", "valid"]


@dataclass(frozen=True)
class Labelled:
    """``n`` records, cohort after cohort."""

    stores: Sequence[Store]
    cohort: Rows
    """Index ``[n]`` of each record's store."""
    rows: Rows
    """Its row ``[n]`` there."""
    targets: NDArray[np.float32]
    """``[n, tasks]``: 1 or 0, or years; NaN where it is not annotated."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def patients(self) -> Rows:
        """Patient of each record ``[n]``, numbered over all cohorts."""
        offsets = np.cumsum([0, *(len(store.patient_keys) for store in self.stores)])
        return np.concatenate(
            [store.patients[rows] + offset for (store, rows), offset in zip(self.by_store(), offsets, strict=False)]
        )

    def by_store(self) -> Iterator[tuple[Store, Rows]]:
        """Each store with the rows of it that are in here, in the order of the records."""
        for index, store in enumerate(self.stores):
            yield store, self.rows[self.cohort == index]

    def take(self, index: Rows) -> Labelled:
        """Some of the records, ``index`` ascending."""
        return replace(self, cohort=self.cohort[index], rows=self.rows[index], targets=self.targets[index])

    def signals(self) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Store rows ``[n, 12, T]`` (1 µV a step) with their valid samples ``[n]``, read now."""
        parts = [(store.gather(rows), store.valid[rows]) for store, rows in self.by_store() if len(rows)]
        return np.concatenate([part for part, _ in parts]), np.concatenate([valid for _, valid in parts]).astype(int)

    def support(self, task: int) -> Support:
        """How many records and patients are annotated for a task, by its number."""
        return support_of(self.targets[:, task].astype(np.float64), self.patients)


def labelled(cohorts: Sequence[EvaluatedCohort], part: Part, tasks: Sequence[str]) -> Labelled:
    """The records of a part of every cohort."""
    rows = [getattr(cohort, part) for cohort in cohorts]
    targets = [
        np.stack([cohort.targets[task][own] for task in tasks], axis=1)
        for cohort, own in zip(cohorts, rows, strict=True)
    ]
    return Labelled(
        [cohort.store for cohort in cohorts],
        np.repeat(np.arange(len(cohorts)), [len(own) for own in rows]),
        np.concatenate(rows),
        np.concatenate(targets).astype(np.float32),
    )


def with_share_of_patients(records: Labelled, fraction: float, seed: int) -> Labelled:
    """The records of a share of each cohort's patients, rounded up; with one seed, smaller shares lie in larger ones.

    Patients are numbered in order of first appearance, so the draw does not depend on the salt of their keys.
    """
    kept = []
    patients = records.patients
    for index, store in enumerate(records.stores):
        own = np.flatnonzero(records.cohort == index)
        order = derive_rng(seed, "labels", store.cohort).permutation(np.unique(patients[own]))
        kept.append(own[np.isin(patients[own], order[: ceil(fraction * len(order))])])
    return records.take(np.concatenate(kept))


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[Rows]:
    """Positions of each step's records, ascending: one shuffle of all after another, cut into batches.

    Fewer records than ``size`` are all in every batch.
    """
    rng = derive_rng(seed, "batches")
    size = min(size, count)
    left = np.empty(0, np.int64)
    for _ in range(steps):
        if len(left) < size:
            left = np.concatenate([left, rng.permutation(count)])
        batch, left = left[:size], left[size:]
        yield np.sort(batch)
