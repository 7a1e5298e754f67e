"""From predictions to cells: each metric with its resampled values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort, ProbeKind
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.results import Cell, Estimate
from cape_fed.evaluate.statistics.bootstrap import Draws, Sampled, Statistics, bootstrap
from cape_fed.evaluate.targets.registry import find_target, is_regression, metrics_of
from cape_fed.evaluate.targets.support import Support, support_of


class Key(NamedTuple):
    """Where a number stands in the table of one method."""

    cohort: str
    task: str
    probe: ProbeKind


@dataclass(frozen=True)
class Scored:
    """A cell, with the resampled values of each metric; none where the cell is suppressed."""

    cell: Cell
    sampled: Mapping[str, Sampled]


Resamples = Mapping[tuple[str, ProbeKind], tuple[NDArray[np.int64], Draws]]
"""For each cohort and probe the patients evaluated ``[P]``, ascending, and their resamples."""


def make_resamples(predictions: Iterable[Prediction], options: EvaluateOptions) -> Resamples:
    """Lay down the resamples that all tasks and methods of a cohort share.

    The patients are those with an annotated record for at least one task, so that a table of predictions holds all
    that is needed to draw the same again.
    """
    patients: dict[tuple[str, ProbeKind], NDArray[np.int64]] = {}
    for block in predictions:
        place = (block.cohort, block.probe)
        patients[place] = np.union1d(patients.get(place, block.patients[:0]), block.patients)
    return {
        (cohort, probe): (codes, Draws(len(codes), options.resamples, options.seed, cohort))
        for (cohort, probe), codes in patients.items()
    }


def score(predictions: Iterable[Prediction], resamples: Resamples, options: EvaluateOptions) -> dict[Key, Scored]:
    """Score one method's predictions, cohort by cohort."""
    blocks = {Key(block.cohort, block.task, block.probe): block for block in predictions}
    supports = {key: support_of(block.target, block.patients) for key, block in blocks.items()}
    shown = [key for key, support in supports.items() if support.enough(key.task, options.min_patients)]
    sampled: dict[Key, dict[str, Sampled]] = {}
    for place, (codes, draws) in resamples.items():
        here = [key for key in shown if (key.cohort, key.probe) == place]
        if here:
            sampled |= bootstrap({key: metrics_under(blocks[key], codes) for key in here}, draws)
    return {
        key: show(key, support, sampled[key], options.level) if key in sampled else _few(key)
        for key, support in supports.items()
    }


def fill(scored: Mapping[Key, Scored], cohort: EvaluatedCohort, task: str, probe: ProbeKind) -> Scored:
    """The scored cell, or an empty one that says why nothing was predicted."""
    key = Key(cohort.name, task, probe)
    if key in scored:
        return scored[key]
    reason = "untrained" if len(cohort.annotated(task, probe)) else "unannotated"
    return Scored(Cell(metric=metrics_of(task)[0], cohort=cohort.name, probe=probe, reason=reason), {})


def show(key: Key, support: Support, sampled: Mapping[str, Sampled], level: float) -> Scored:
    """A cell with its numbers; the second metric may be missing."""
    first, second = metrics_of(key.task)
    cell = Cell.of(
        first,
        sampled[first],
        level,
        cohort=key.cohort,
        probe=key.probe,
        n=support.n,
        n_pos=None if is_regression(key.task) else support.n_pos,
        patients=support.patients,
        second=Estimate.of(second, sampled[second], level) if second in sampled else None,
    )
    return Scored(cell, sampled)


def metrics_under(block: Prediction, codes: NDArray[np.int64]) -> Statistics:
    """A block's metrics as they follow from weights of the patients ``codes``."""
    measure = find_target(block.task).kind.measure
    return partial(measure, block.target, block.score, np.searchsorted(codes, block.patients))


def _few(key: Key) -> Scored:
    return Scored(Cell(metric=metrics_of(key.task)[0], cohort=key.cohort, probe=key.probe, reason="few"), {})
