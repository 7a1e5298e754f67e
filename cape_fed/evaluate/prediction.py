"""Scores of records for one task, by whatever made them: a probe or a fine-tuned classifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort, ProbeKind, Rows


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


def predictions_of(
    method: str, cohort: EvaluatedCohort, probe: ProbeKind, scores: Mapping[str, NDArray[np.float64]]
) -> Iterator[Prediction]:
    """Pair the scores ``[tested records]`` of each task with what is known of the records.

    Records that are not annotated for a task are left out, as is a task for which no tested record is annotated.
    """
    tested = cohort.tested[probe]
    for task, score in scores.items():
        target = cohort.targets[task][tested]
        known = np.isfinite(target)
        if known.any():
            rows = tested[known]
            patients = cohort.store.patients[rows]
            yield Prediction(method, cohort.name, task, probe, rows, patients, target[known], score[known])
