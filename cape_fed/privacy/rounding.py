"""What is said of a cohort where the number of its training patients is to stay rough."""

from __future__ import annotations

from cape_fed.errors import InputError
from cape_fed.privacy.roster import LEAST, round_down
from cape_fed.store.counts import WITHHELD, CohortCounts
from cape_fed.store.store import Store


def count_roughly(store: Store) -> CohortCounts:
    """Counts rounded down, without the fingerprint, by which somebody could tell whether a record is in the store."""
    records, patients = round_down(len(store)), round_down(store.meta.patients)
    if not patients:
        raise InputError(f"cohort {store.cohort} has fewer than {LEAST} patients: too few for a private run")
    return CohortCounts(records=records, patients=patients, fingerprint=WITHHELD)


def is_rough(counts: CohortCounts) -> bool:
    """Whether counts say no more than `count_roughly` does."""
    return counts.fingerprint == WITHHELD and all(round_down(n) == n for n in (counts.records, counts.patients))
