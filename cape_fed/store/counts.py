"""How large a store is: what may be told of it elsewhere."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cape_fed.store.store import Store

WITHHELD = "withheld"
"""In place of a fingerprint, where the counts are rough on purpose."""


class CohortCounts(BaseModel):
    """Size of a cohort, with a hash by which one can tell whether the store is still the one that was counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: int = Field(gt=0, le=10**9)
    patients: int = Field(gt=0, le=10**9)
    fingerprint: str = ""

    @property
    def has_fingerprint(self) -> bool:
        """Whether the store can be told by it: bundles of earlier versions have none, and it may be withheld."""
        return self.fingerprint not in ("", WITHHELD)


def count_store(store: Store) -> CohortCounts:
    """Records, patients and fingerprint of a store."""
    return CohortCounts(records=len(store), patients=store.meta.patients, fingerprint=store.meta.fingerprint)
