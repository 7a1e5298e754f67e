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

_CHUNK = 65536
"""Records scored at a time."""

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
) -> list[Prediction]:
    """Fit within and transfer probes and score every cohort's annotated test records.

    A within probe is fitted on the cohort's own train patients; the transfer probe of a task on the train patients of
    all ID cohorts, whose sums are added. Where a probe cannot be fitted or nothing is annotated, there is none.
    """
    given = {cohort.name: materials(cohort, features[cohort.name], method) for cohort in cohorts}
    tasks = list(cohorts[0].targets)
    pooled = {task: reduce(add, (given[c.name][task] for c in cohorts if c.role == "id")) for task in tasks}
    transfer = {task: pooled[task].fit(task, options) for task in tasks}
    blocks: list[Prediction] = []
    for cohort in cohorts:
        within = {task: given[cohort.name][task].fit(task, options) for task in tasks}
        blocks.extend(_apply(method, cohort, features[cohort.name], "transfer", transfer))
        blocks.extend(_apply(method, cohort, features[cohort.name], "within", within))
    return sorted(blocks, key=lambda block: tasks.index(block.task))


def _apply(
    method: Representation,
    cohort: Cohort,
    features: NDArray[np.float32],
    kind: Probe,
    probes: Mapping[str, LinearProbe | None],
) -> Iterator[Prediction]:
    """Score a cohort's test records with all probes of a kind at once."""
    fitted = {task: probe for task, probe in probes.items() if probe is not None}
    weights = np.zeros((features.shape[1], len(fitted)))
    for index, (task, probe) in enumerate(fitted.items()):
        weights[method.columns(task, features.shape[1]), index] = probe.weights[:, 0]
    rows = cohort.tested[kind]
    scores = np.empty((len(rows), len(fitted)))
    for start in range(0, len(rows), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        scores[chunk] = features[rows[chunk]] @ weights
    for index, (task, probe) in enumerate(fitted.items()):
        known = np.isfinite(cohort.targets[task][rows])
        if known.any():
            own = rows[known]
            patients, target = cohort.store.patients[own], cohort.targets[task][own]
            score = scores[known, index] + probe.intercept[0]
            yield Prediction(method.name, cohort.name, task, kind, own, patients, target, score)
