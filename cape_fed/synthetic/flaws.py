"""Flaws that archives have: missing fields, flat leads, exact duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FlawRates:
    """The share of the records of a cohort that have each flaw."""

    no_age: float = 0.02
    no_patient: float = 0.02
    flat_lead: float = 0.01
    duplicate: float = 0.01


@dataclass(frozen=True)
class Flaws:
    """The flaws of ``n`` records."""

    no_age: NDArray[np.bool_]
    no_patient: NDArray[np.bool_]
    flat_lead: NDArray[np.int64]
    """Index into ``LEADS`` of the lead whose electrode was off, or -1."""
    duplicate: NDArray[np.bool_]
    """Whether the record was exported twice, under two names."""


def draw_flaws(rates: FlawRates, count: int, rng: np.random.Generator) -> Flaws:
    """Draw the flaws of ``count`` records, independent of each other."""
    flat = rng.random(count) < rates.flat_lead
    return Flaws(
        no_age=rng.random(count) < rates.no_age,
        no_patient=rng.random(count) < rates.no_patient,
        flat_lead=np.where(flat, rng.integers(0, 12, count), -1),
        duplicate=rng.random(count) < rates.duplicate,
    )
