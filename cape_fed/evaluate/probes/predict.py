"""Scores of every record under probes fitted on other patients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort, ProbeKind, Rows
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.moments import Moments, moments_by_task
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.probes.ridge import LinearProbe, choose_ridge
from cape_fed.evaluate.targets.support import Support, support_of

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
    probe: ProbeKind
    rows: Rows
    patients: NDArray[np.int64]
    """Patient codes of the store."""
    target: NDArray[np.float64]
    score: NDArray[np.float64]


@dataclass(frozen=True)
class ProbeSums:
    """What one cohort gives towards the probe of one task: sums, and how many patients are in them."""

    train: Moments
    valid: Moments
    support: Support
    """Of the train records."""

    def __add__(self, other: ProbeSums) -> ProbeSums:
        return ProbeSums(self.train + other.train, self.valid + other.valid, self.support + other.support)

    def fit(self, task: str, options: EvaluateOptions) -> LinearProbe | None:
        """The probe, or None where too few patients stand behind it."""
        if not self.support.enough(task, options.min_patients):
            return None
        return choose_ridge(self.train, self.valid, options.penalties)


def materials(cohort: EvaluatedCohort, features: NDArray[np.float32], method: Representation) -> dict[str, ProbeSums]:
    """Sum up one cohort's train and validation records for every task. Only these sums enter a probe."""
    train, valid = (
        moments_by_task(features[rows], {task: target[rows] for task, target in cohort.targets.items()})
        for rows in (cohort.train, cohort.valid)
    )
    given = {}
    for task, target in cohort.targets.items():
        columns = method.columns(task, features.shape[1])
        support = support_of(target[cohort.train], cohort.store.patients[cohort.train])
        given[task] = ProbeSums(train[task].columns(columns), valid[task].columns(columns), support)
    return given


def pool(given: Iterable[Mapping[str, ProbeSums]]) -> dict[str, ProbeSums]:
    """Add up by task what cohorts or sites give; each need not give something towards every task."""
    pooled: dict[str, ProbeSums] = {}
    for site in given:
        for task, material in site.items():
            pooled[task] = pooled[task] + material if task in pooled else material
    return pooled


def fit_probes(given: Mapping[str, ProbeSums], options: EvaluateOptions) -> dict[str, LinearProbe]:
    """The probe of each task that has enough patients behind it."""
    fitted = {task: material.fit(task, options) for task, material in given.items()}
    return {task: probe for task, probe in fitted.items() if probe is not None}


@dataclass(frozen=True)
class Probes:
    """All probes of one method."""

    transfer: Mapping[str, LinearProbe]
    """By task."""
    within: Mapping[str, Mapping[str, LinearProbe]]
    """By cohort and task."""


def fit(
    method: Representation, cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions
) -> Probes:
    """Fit within and transfer probes.

    A within probe is fitted on the cohort's own train patients; the transfer probe of a task on the train patients of
    all ID cohorts, whose sums are added. Where too few patients stand behind a probe, there is none.
    """
    given = {cohort.name: materials(cohort, features[cohort.name], method) for cohort in cohorts}
    transfer = fit_probes(pool(given[cohort.name] for cohort in cohorts if cohort.role == "id"), options)
    return Probes(transfer, {name: fit_probes(own, options) for name, own in given.items()})


def predict(
    method: Representation, cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions
) -> list[Prediction]:
    """Fit all probes and score every cohort's annotated test records with them."""
    return predict_with(method, cohorts, features, fit(method, cohorts, features, options))


def predict_with(
    method: Representation, cohorts: Sequence[EvaluatedCohort], features: Features, probes: Probes
) -> list[Prediction]:
    """Score every cohort's annotated test records with its within and the transfer probes."""
    blocks: list[Prediction] = []
    for cohort in cohorts:
        blocks.extend(apply_probes(method, cohort, features[cohort.name], "transfer", probes.transfer))
        blocks.extend(apply_probes(method, cohort, features[cohort.name], "within", probes.within[cohort.name]))
    tasks = list(cohorts[0].targets)
    return sorted(blocks, key=lambda block: tasks.index(block.task))


def apply_probes(
    method: Representation,
    cohort: EvaluatedCohort,
    features: NDArray[np.float32],
    kind: ProbeKind,
    probes: Mapping[str, LinearProbe],
) -> Iterator[Prediction]:
    """Score a cohort's test records, ``features [N, D]`` being of all its records, with all probes of a kind at once.

    Nothing is given for a task that the cohort has no annotated test record of, or does not know.
    """
    fitted = {task: probe for task, probe in probes.items() if task in cohort.targets}
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
