"""The cohorts that a cohort probe distinguishes, with the rows that serve each purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cape_fed.evaluate.artefact.matching import match
from cape_fed.evaluate.cohorts import EvaluatedCohort, Rows
from cape_fed.evaluate.options import EvaluateOptions


@dataclass(frozen=True)
class Side:
    """One of the cohorts, with its train, validation and test rows."""

    cohort: EvaluatedCohort
    train: Rows
    valid: Rows
    test: Rows

    @property
    def name(self) -> str:
        """Name of the cohort."""
        return self.cohort.name

    @property
    def patients(self) -> int:
        """Number of test patients."""
        return len(np.unique(self.cohort.store.patients[self.test]))


@dataclass(frozen=True)
class Sides:
    """The cohorts by all their records, and by records that are matched across cohorts."""

    all: Sequence[Side]
    """Empty where fewer than two cohorts have enough test patients."""
    matched: Sequence[Side]
    """Empty where too few patients match."""


def choose_sides(cohorts: Sequence[EvaluatedCohort], options: EvaluateOptions) -> Sides:
    """The ID cohorts with enough test patients, or all such cohorts where fewer than two of them are ID."""
    sides = [Side(cohort, cohort.train, cohort.valid, cohort.tested["within"]) for cohort in cohorts]
    enough = [side for side in sides if side.patients >= options.min_patients and len(side.train)]
    trained_on = [side for side in enough if side.cohort.role == "id"]
    chosen = trained_on if len(trained_on) > 1 else enough
    if len(chosen) < 2:
        return Sides([], [])
    matched = _match(chosen, options.seed)
    shown = min(side.patients for side in matched) >= options.min_patients and len(matched[0].train)
    return Sides(chosen, matched if shown else [])


def _match(sides: Sequence[Side], seed: int) -> list[Side]:
    stores = [side.cohort.store for side in sides]
    train, valid, test = (
        match(stores, [getattr(side, part) for side in sides], seed, part) for part in ("train", "valid", "test")
    )
    return [Side(side.cohort, *rows) for side, *rows in zip(sides, train, valid, test, strict=True)]
