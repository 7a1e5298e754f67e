"""Sums over the records of cohorts or sites: all that a probe is fitted from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.probes.moments import Moments, moments_by_task
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.targets.support import Support, support_of


@dataclass(frozen=True)
class ProbeSums:
    """Sums towards the probe of one task, with the number of patients in them."""

    train: Moments
    valid: Moments
    support: Support
    """Of the train records."""
    valid_support: Support = field(default_factory=Support)
    """Of the validation records."""

    def __add__(self, other: ProbeSums) -> ProbeSums:
        return ProbeSums(
            self.train + other.train,
            self.valid + other.valid,
            self.support + other.support,
            self.valid_support + other.valid_support,
        )

    def first(self, train: int, valid: int) -> ProbeSums:
        """These sums over the first ``train`` features, those of validation over the first ``valid``; 0: without them.

        Sums of no record are as wide as those of train.
        """
        if valid and self.valid.n:
            return replace(self, train=self.train.first(train), valid=self.valid.first(valid))
        return ProbeSums(self.train.first(train), Moments.zero(train), self.support)


def cohort_sums(
    cohort: EvaluatedCohort, features: NDArray[np.floating], method: Representation
) -> dict[str, ProbeSums]:
    """Sum up one cohort's train and validation records for every task, ``features [N, D]`` being of all its records."""
    train, valid = (
        moments_by_task(features[rows], {task: target[rows] for task, target in cohort.targets.items()})
        for rows in (cohort.train, cohort.valid)
    )
    sums = {}
    for task, target in cohort.targets.items():
        columns = method.columns(task, features.shape[1])
        supports = (support_of(target[rows], cohort.store.patients[rows]) for rows in (cohort.train, cohort.valid))
        sums[task] = ProbeSums(train[task].columns(columns), valid[task].columns(columns), *supports)
    return sums


def add_sums(several: Iterable[Mapping[str, ProbeSums]]) -> dict[str, ProbeSums]:
    """Add up by task the sums of cohorts or sites, none of which needs to have every task."""
    total: dict[str, ProbeSums] = {}
    for sums in several:
        for task, entry in sums.items():
            total[task] = total[task] + entry if task in total else entry
    return total
