"""Who is in a cohort, in numbers that no patient can be told from."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from cape_fed.store.store import Store

LEAST = 20
"""Patients below which a number is not told."""


class Composition(BaseModel):
    """Ages, sexes and labels of a cohort's patients; what fewer than `LEAST` patients have is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    several: int | None = None
    """Patients with more than one recording."""
    women: int | None = None
    men: int | None = None
    age: tuple[float, float, float] | None = None
    """Quartiles in years, over patients of known age, at one recording of each."""
    labels: dict[str, int] = {}
    """Patients with at least one recording that has the label."""


def compose(store: Store) -> Composition:
    """The composition of a store."""
    _, first, times = np.unique(store.patients, return_index=True, return_counts=True)
    ages, sex = store.label("age")[first], store.label("sex")[first]
    known = ages[np.isfinite(ages)]
    quartiles = np.percentile(known, (25, 50, 75)).round().tolist() if len(known) >= 2 * LEAST else None
    labels = {name: _told(len(np.unique(store.patients[store.label(name) == 1]))) for name in store.label_names}
    return Composition(
        several=_told(int((times > 1).sum())),
        women=_told(int((sex == 1).sum())),
        men=_told(int((sex == 0).sum())),
        age=quartiles,
        labels={name: count for name, count in labels.items() if count is not None},
    )


def _told(count: int) -> int | None:
    return count if count >= LEAST else None
