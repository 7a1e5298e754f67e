"""Which cohorts the pairs of a batch come from: one of them, the pool of all, or one with a share of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.pretrain.stages.pairs import PairSampler, Rows
from cape_fed.seeds import derive_rng


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs of records: element i of every array belongs to pair i; ``cohort`` is non-decreasing."""

    cohort: Rows
    """Index of the pair's cohort."""
    first: Rows
    """Row of the first record in that cohort's store."""
    second: Rows
    """Row of the second record; the same row where the patient has only one."""
    group: Rows
    """Patient, numbered over all cohorts: pairs of one group are never each other's negatives."""


class Batching(Protocol):
    """A deterministic sequence of batches."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""
        ...


class InDistributionBatches:
    """Every batch from one cohort, except for a share ``cross`` of its pairs, drawn from the others.

    The order of cohorts is a seeded sequence in which a cohort comes up in proportion to its patients, as it would
    when batches were drawn from the pool.
    """

    def __init__(self, cohorts: Sequence[PairSampler], pairs: int, steps: int, seed: int, cross: float = 0.0) -> None:
        require_enough_patients(cohorts, pairs)
        self.cohorts = cohorts
        sizes = np.array([cohort.patients for cohort in cohorts], float)
        share = sizes / sizes.sum()
        self._order = derive_rng(seed, "cohort order").choice(len(cohorts), size=steps, p=share)
        foreign = round(cross * pairs) if len(cohorts) > 1 else 0
        self._counts = np.stack([_split(pairs, foreign, home, share) for home in range(len(cohorts))])
        drawn = self._counts[self._order]
        self._begin = np.cumsum(drawn, axis=0) - drawn

    def batch(self, step: int) -> Batch:
        """Pairs of the step's cohort, and of other cohorts where ``cross`` asks for them."""
        return _collect(self.cohorts, self._begin[step], self._counts[self._order[step]])


class RandomBatches:
    """Every batch from the pool of all cohorts, each patient once an epoch of the pool."""

    def __init__(self, cohorts: Sequence[PairSampler], pairs: int, steps: int, seed: int) -> None:
        sizes = np.array([cohort.patients for cohort in cohorts])
        if sizes.sum() < pairs:
            raise InputError(f"{sizes.sum()} training patients in all for batches of {pairs} pairs: lower train.pairs")
        self.cohorts = cohorts
        self.pairs = pairs
        self.seed = seed
        self._order = lru_cache(maxsize=2)(self._shuffle)
        self._pool = np.repeat(np.arange(len(cohorts)), sizes)
        self._sizes = sizes

    def batch(self, step: int) -> Batch:
        """Pairs ``step * pairs ..`` of the pool's shuffle; each cohort hands out its own pairs in its own order."""
        begin, total = step * self.pairs, len(self._pool)
        before = np.zeros(len(self.cohorts), np.int64)
        counts = np.zeros(len(self.cohorts), np.int64)
        while counts.sum() < self.pairs:
            epoch, offset = divmod(begin, total)
            order = self._order(epoch)
            end = min(total, offset + self.pairs - int(counts.sum()))
            taken = np.bincount(order[offset:end], minlength=len(self.cohorts))
            if not counts.any():
                before = epoch * self._sizes + np.bincount(order[:offset], minlength=len(self.cohorts))
            counts += taken
            begin += end - offset
        return _collect(self.cohorts, before, counts)

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        return derive_rng(self.seed, "pool", epoch).permutation(self._pool)


def make_batching(kind: str, cohorts: Sequence[PairSampler], pairs: int, steps: int, seed: int) -> Batching:
    """Build ``random``, ``idb`` or ``idb+cross:p`` for a run of ``steps`` steps; InputError for anything else."""
    if kind == "random":
        return RandomBatches(cohorts, pairs, steps, seed)
    return InDistributionBatches(cohorts, pairs, steps, seed, cross=_cross(kind))


def check_kind(kind: str) -> str:
    """Return ``kind`` where `make_batching` knows it; InputError otherwise."""
    if kind != "random" and not 0 <= _cross(kind) <= 1:
        raise InputError(f"unknown batching '{kind}': use random, idb or idb+cross:p with p from 0 to 1")
    return kind


def _cross(kind: str) -> float:
    """Share of foreign pairs that an IDB batching asks for; -1 where it is not one."""
    match = re.fullmatch(r"idb(?:\+cross:(\d*\.?\d+))?", kind)
    return float(match[1] or 0) if match else -1.0


def require_enough_patients(cohorts: Sequence[PairSampler], pairs: int) -> None:
    """InputError naming the first cohort that cannot fill a batch with distinct patients."""
    for cohort in cohorts:
        if cohort.patients < pairs:
            several = " with several records" if cohort.positives == "patient" else ""
            raise InputError(
                f"cohort {cohort.name} has {cohort.patients} training patients{several}, train.pairs={pairs} needs more"
            )


def _split(pairs: int, foreign: int, home: int, share: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pairs each cohort gives to a batch of cohort ``home``; ``foreign`` of them split by the others' sizes."""
    counts = np.zeros(len(share), np.int64)
    if foreign:
        others = np.delete(np.arange(len(share)), home)
        exact = foreign * share[others] / share[others].sum()
        counts[others] = np.floor(exact)
        largest = others[np.argsort(np.floor(exact) - exact, kind="stable")]
        counts[largest[: foreign - counts.sum()]] += 1
    counts[home] = pairs - foreign
    return counts


def _collect(cohorts: Sequence[PairSampler], begin: NDArray[np.int64], counts: NDArray[np.int64]) -> Batch:
    drawn = [cohort.draw(int(b), int(n)) for cohort, b, n in zip(cohorts, begin, counts, strict=True) if n]
    used = np.flatnonzero(counts)
    first, second, patients = (np.concatenate(column) for column in zip(*drawn, strict=True))
    index = np.repeat(used, counts[used])
    return Batch(index, first, second, patients * len(cohorts) + index)
