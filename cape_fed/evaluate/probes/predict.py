"""Scores of every evaluated record under probes that were fitted on other patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort, ProbeKind, Rows
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction, predictions_of
from cape_fed.evaluate.probes.fit import Probe, Probes, fit
from cape_fed.evaluate.probes.representation import Features, Representation
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.evaluate.probes.trees import TreeProbe

_CHUNK = 65536
"""Records scored at a time."""


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
    probes: Mapping[str, Probe],
) -> Iterator[Prediction]:
    """Score a cohort's test records, ``features [N, D]`` being of all its records, with all probes of a kind at once.

    Nothing is given for a task that the cohort has no annotated test record of, or does not know.
    """
    rows = cohort.tested[kind]
    known = {task: probe for task, probe in probes.items() if task in cohort.targets}
    linear = {task: probe for task, probe in known.items() if isinstance(probe, LinearProbe)}
    scores = _linear_scores(method, features, rows, linear)
    scores |= {task: probe.predict(features[rows]) for task, probe in known.items() if isinstance(probe, TreeProbe)}
    return predictions_of(method.name, cohort, kind, {task: scores[task] for task in known})


def _linear_scores(
    method: Representation, features: NDArray[np.float32], rows: Rows, probes: Mapping[str, LinearProbe]
) -> dict[str, NDArray[np.float64]]:
    """Scores ``[len(rows)]`` under all probes, by one multiplication."""
    weights = np.zeros((features.shape[1], len(probes)))
    for index, (task, probe) in enumerate(probes.items()):
        weights[method.columns(task, features.shape[1]), index] = probe.weights[:, 0]
    scores = np.empty((len(rows), len(probes)))
    for start in range(0, len(rows), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        scores[chunk] = features[rows[chunk]] @ weights
    return {task: scores[:, index] + probe.intercept[0] for index, (task, probe) in enumerate(probes.items())}
