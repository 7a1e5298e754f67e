"""From predictions to cells: each metric with its resampled values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.bootstrap import Sampled, bootstrap, resample_patients
from cape_fed.evaluate.cohorts import Cohort, Probe
from cape_fed.evaluate.metrics import ranking_metrics, regression_metrics
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.predict import Prediction
from cape_fed.evaluate.results import Cell, Estimate
from cape_fed.evaluate.tasks import is_regression, metrics_of, support_of


class Key(NamedTuple):
    """Where a number stands in the table of one method."""

    cohort: str
    task: str
    probe: Probe


@dataclass(frozen=True)
class Scored:
    """A cell, with the resampled values of each metric; none where the cell is suppressed."""

    cell: Cell
    sampled: Mapping[str, Sampled]


Resamples = Mapping[tuple[str, Probe], tuple[NDArray[np.int64], NDArray[np.uint8]]]
"""For each cohort and probe the patients evaluated ``[P]``, ascending, and how often each resample draws them."""


def make_resamples(predictions: Iterable[Prediction], options: EvaluateOptions) -> Resamples:
    """Draw the resamples that all tasks and methods of a cohort share.

    The patients are those with an annotated record for at least one task, so that a table of predictions holds all
    that is needed to draw the same again.
    """
    patients: dict[tuple[str, Probe], NDArray[np.int64]] = {}
    for block in predictions:
        place = (block.cohort, block.probe)
        patients[place] = np.union1d(patients.get(place, block.patients[:0]), block.patients)
    return {
        (cohort, probe): (codes, resample_patients(len(codes), options.resamples, options.seed, cohort))
        for (cohort, probe), codes in patients.items()
    }


def score(predictions: Iterable[Prediction], resamples: Resamples, options: EvaluateOptions) -> dict[Key, Scored]:
    """Score one method's predictions."""
    return {
        Key(block.cohort, block.task, block.probe): _score(block, resamples[block.cohort, block.probe], options)
        for block in predictions
    }


def fill(scored: Mapping[Key, Scored], cohort: Cohort, task: str, probe: Probe) -> Scored:
    """The scored cell, or an empty one that says why nothing was predicted."""
    key = Key(cohort.name, task, probe)
    if key in scored:
        return scored[key]
    reason = "untrained" if len(cohort.annotated(task, probe)) else "unannotated"
    return Scored(Cell(metric=metrics_of(task)[0], cohort=cohort.name, probe=probe, reason=reason), {})


def _score(
    block: Prediction, resample: tuple[NDArray[np.int64], NDArray[np.uint8]], options: EvaluateOptions
) -> Scored:
    support = support_of(block.target, block.patients)
    first, second = metrics_of(block.task)
    if not support.enough(block.task, options.min_patients):
        return Scored(Cell(metric=first, cohort=block.cohort, probe=block.probe, reason="few"), {})
    codes, counts = resample
    function = regression_metrics if is_regression(block.task) else ranking_metrics
    sampled = bootstrap(partial(function, block.target, block.score, np.searchsorted(codes, block.patients)), counts)
    cell = Cell.of(
        first,
        sampled[first],
        options.level,
        cohort=block.cohort,
        probe=block.probe,
        n=support.n,
        n_pos=None if is_regression(block.task) else support.n_pos,
        patients=support.patients,
        second=Estimate.of(second, sampled[second], options.level),
    )
    return Scored(cell, sampled)
