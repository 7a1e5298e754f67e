"""The patients whom a site trains on under differential privacy: frozen slots, one a patient with all their records."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cape_fed.errors import InputError
from cape_fed.store.split import Split
from cape_fed.store.store import Store

Rows = NDArray[np.int64]
LEAST = 10
"""Fewest slots of a cohort: the number of slots is public, and rounded to tens at least."""


class CohortRoster(BaseModel):
    """The patient keys of one cohort by what they are for; whoever is in none of the lists takes no part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slots: tuple[str, ...]
    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class Roster(BaseModel):
    """Slots by cohort. A patient has one slot, also where several cohorts have records under the same key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cohorts: dict[str, CohortRoster]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the roster, shortened."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]

    @cached_property
    def members(self) -> frozenset[str]:
        """Keys of all patients who have a slot."""
        return frozenset(key for cohort in self.cohorts.values() for key in cohort.slots)

    @property
    def size(self) -> int:
        """N: the number of slots, which is public."""
        return sum(len(cohort.slots) for cohort in self.cohorts.values())


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of a cohort as rows of its store: those of slot ``i`` are ``rows[start[i] : start[i] + count[i]]``."""

    rows: Rows
    start: Rows
    count: Rows
    """0 where the patient has no record any more: the slot is empty."""

    def __len__(self) -> int:
        return len(self.count)

    @property
    def empty(self) -> int:
        """Number of slots whose patient is gone."""
        return int((self.count == 0).sum())


def round_down(count: int) -> int:
    """A count with its first two digits, in tens at least: 1,234 → 1,200, 47 → 40."""
    unit = max(LEAST, int(10 ** (len(str(count)) - 2)))
    return count // unit * unit


def freeze_roster(
    stores: Sequence[Store],
    splits: Mapping[str, Split],
    rng: np.random.Generator,
    without: Collection[str] = frozenset(),
) -> Roster:
    """A roster of the training patients of ``splits`` except those in ``without``, each cohort's number rounded down.

    Whoever is held out in one cohort has a slot in none. Whom the rounding leaves out is drawn by ``rng``. InputError
    naming a cohort with too few of them.
    """
    parts = {store.cohort: [patient_keys(store, rows) for rows in splits[store.cohort]] for store in stores}
    taken = set(without).union(*(valid | test for _, valid, test in parts.values()))
    cohorts = {}
    for store in stores:
        train, valid, test = parts[store.cohort]
        free = sorted(train - taken)
        size = round_down(len(free))
        if size < LEAST:
            raise InputError(
                f"cohort {store.cohort} has {len(free)} patients for a roster, {LEAST} is the least: leave it out"
            )
        chosen = sorted(free[index] for index in rng.choice(len(free), size, replace=False))
        cohorts[store.cohort] = CohortRoster(slots=tuple(chosen), valid=_ordered(valid), test=_ordered(test))
        taken |= set(chosen)
    return Roster(cohorts=cohorts)


def renew_roster(
    earlier: Sequence[Roster], stores: Sequence[Store], rng: np.random.Generator, without: Collection[str] = frozenset()
) -> Roster:
    """A roster of who is in the stores now: who was held out stays held out, everybody else may be trained on.

    ``earlier`` are all rosters so far: a cohort that some of them did not have goes on from the last one that did.
    """
    held = {key for roster in earlier for part in roster.cohorts.values() for key in (*part.valid, *part.test)}
    splits = {store.cohort: _renewed_split(earlier, store) for store in stores}
    return freeze_roster(stores, splits, rng, {*without, *held})


def find_slots(roster: Roster, store: Store) -> Slots:
    """Where the records of each slot of a cohort stand; InputError for a cohort that the roster does not have."""
    if store.cohort not in roster.cohorts:
        raise InputError(f"the roster has no cohort {store.cohort}: renew it with 'cape-fed site roster --renew'")
    order = np.argsort(store.patients, kind="stable")
    codes, start, count = np.unique(store.patients[order], return_index=True, return_counts=True)
    place = {store.patient_keys[code]: index for index, code in enumerate(codes)}
    found = np.array([place.get(key, -1) for key in roster.cohorts[store.cohort].slots], np.int64)
    present = found >= 0
    return Slots(order, np.where(present, start[found], 0), np.where(present, count[found], 0))


def split_of_roster(roster: Roster, store: Store) -> Split:
    """The rows of a store by the roster's parts; who is in no part is left out."""
    parts = roster.cohorts[store.cohort]
    number = {key: index for index, part in enumerate((parts.slots, parts.valid, parts.test)) for key in part}
    part = np.array([number.get(key, -1) for key in store.patient_keys], np.int64)[store.patients]
    return Split(*(np.flatnonzero(part == index) for index in range(3)))


def _renewed_split(earlier: Sequence[Roster], store: Store) -> Split:
    old = next((roster for roster in reversed(earlier) if store.cohort in roster.cohorts), None)
    if old is None:
        everybody = np.arange(len(store))
        return Split(everybody, everybody[:0], everybody[:0])
    held = split_of_roster(old, store)
    rest = np.setdiff1d(np.arange(len(store)), np.concatenate([held.valid, held.test]))
    return Split(rest, held.valid, held.test)


def patient_keys(store: Store, rows: Rows) -> set[str]:
    """Keys of the patients to whom rows of a store belong."""
    return {store.patient_keys[code] for code in np.unique(store.patients[rows])}


def _ordered(keys: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(keys))
