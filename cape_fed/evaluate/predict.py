"""Scores of every record under probes fitted on other patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import Cohort, Probe, Rows
from cape_fed.evaluate.moments import Moments, moments_by_task
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probe import LinearProbe, choose_ridge
from cape_fed.evaluate.representation import Representation
from cape_fed.evaluate.tasks import Support, support_of

Features = Mapping[str, NDArray[np.float32]]
"""Features ``[N, D]`` of each cohort by name."""


@dataclass(frozen=True)
class Prediction:
    """Scores of one method for one task, with one kind of probe, on one cohort's annotated records."""

    method: str
    cohort: str
    task: str
    probe: Probe
    rows: Rows
    patients: NDArray[np.int64]
    """Patient codes of the store."""
    target: NDArray[np.float64]
    score: NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """What one cohort gives towards the probe of one task: sums, and how many patients are in them."""

    train: Moments
    valid: Moments
    support: Support
    """Of the train records."""

    def __add__(self, other: Material) -> Material:
        return Material(self.train + other.train, self.valid + other.valid, self.support + other.support)

    def fit(self, task: str, options: EvaluateOptions) -> LinearProbe | None:
        """The probe, or None where too few patients stand behind it."""
        if not self.support.enough(task, options.min_patients):
            return None
        return choose_ridge(self.train, self.valid, options.penalties)


def materials(cohort: Cohort, features: NDArray[np.float32], method: Representation) -> dict[str, Material]:
    """Sum up one cohort's train and validation records for every task. Only these sums enter a probe."""
    train, valid = (
        moments_by_task(features[rows], {task: target[rows] for task, target in cohort.targets.items()})
        for rows in (cohort.train, cohort.valid)
    )
    given = {}
    for task, target in cohort.targets.items():
        columns = method.columns(task, features.shape[1])
        support = support_of(target[cohort.train], cohort.store.patients[cohort.train])
        given[task] = Material(train[task].columns(columns), valid[task].columns(columns), support)
    return given


def predict(
    method: Representation, cohorts: Sequence[Cohort], features: Features, options: EvaluateOptions
) -> Iterator[Prediction]:
    """Fit within and transfer probes and score every cohort's annotated test records.

    A within probe is fitted on the cohort's own train patients; the transfer probe of a task on the train patients of
    all ID cohorts, whose sums are added. Where a probe cannot be fitted or nothing is annotated, nothing is yielded.
    """
    given = {cohort.name: materials(cohort, features[cohort.name], method) for cohort in cohorts}
    for task in cohorts[0].targets:
        pooled = reduce(add, (given[cohort.name][task] for cohort in cohorts if cohort.role == "id"))
        transfer = pooled.fit(task, options)
        for cohort in cohorts:
            within = given[cohort.name][task].fit(task, options)
            probes: dict[Probe, LinearProbe | None] = {"transfer": transfer, "within": within}
            for kind, probe in probes.items():
                rows = cohort.annotated(task, kind)
                if probe is not None and len(rows):
                    columns = method.columns(task, features[cohort.name].shape[1])
                    score = probe.scores(features[cohort.name][rows][:, columns])[:, 0]
                    patients, target = cohort.store.patients[rows], cohort.targets[task][rows]
                    yield Prediction(method.name, cohort.name, task, kind, rows, patients, target, score)
