"""Intervals by DeLong for the AUROCs of a method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.results import DeLong
from cape_fed.evaluate.scoring.cells import Key, Scored
from cape_fed.evaluate.statistics.delong import delong_interval


def delong_intervals(scored: Mapping[Key, Scored], predictions: Sequence[Prediction], level: float) -> Iterator[DeLong]:
    """One for every AUROC that is shown."""
    for block in predictions:
        cell = scored[Key(block.cohort, block.task, block.probe)].cell
        if cell.metric == "auroc" and cell.point is not None:
            low, high = delong_interval(block.target, block.score, block.patients, level)
            place = {"cohort": block.cohort, "task": block.task, "probe": block.probe}
            yield DeLong(metric="auroc", point=cell.point, low=low, high=high, **place)
