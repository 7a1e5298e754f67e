"""Tasks for which no cohort of a role has enough patients, but all of them together have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial, reduce
from operator import add

import numpy as np

from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.scoring.cells import Key, Resamples, Scored, metrics_under, score, show
from cape_fed.evaluate.statistics.bootstrap import Sampled, bootstrap, weighted_mean
from cape_fed.evaluate.targets.registry import find_target
from cape_fed.evaluate.targets.support import support_of

POOLS: dict[str, Role] = {"ID pooled": "id", "OOD pooled": "ood"}
"""Names under which pooled cohorts stand where a cohort's name stands otherwise."""


def score_with_pools(
    predictions: Sequence[Prediction], resamples: Resamples, roles: Mapping[str, Role], options: EvaluateOptions
) -> dict[Key, Scored]:
    """Score one method's predictions, with a pooled transfer cell for each task and role without any other number.

    Within a pool a record is only ever compared with records of its own cohort: a representation that gives cohorts
    away, whose shares of positives differ, gains nothing by it. A cohort without both classes has nothing to compare
    and takes no part; the others count with the patients of their rarer class, which have to reach the minimum
    together. A pool has no average precision.
    """
    scored = score(predictions, resamples, options)
    return {**scored, **dict(_pools(predictions, scored, resamples, roles, options))}


def _pools(
    predictions: Sequence[Prediction],
    scored: Mapping[Key, Scored],
    resamples: Resamples,
    roles: Mapping[str, Role],
    options: EvaluateOptions,
) -> Iterator[tuple[Key, Scored]]:
    for name, role in POOLS.items():
        by_task: dict[str, list[Prediction]] = {}
        for block in predictions:
            if block.probe == "transfer" and roles[block.cohort] == role:
                by_task.setdefault(block.task, []).append(block)
        for task, blocks in by_task.items():
            shown = any(scored[Key(block.cohort, task, "transfer")].sampled for block in blocks)
            supports = [(block, support_of(block.target, block.patients)) for block in blocks]
            usable = [(block, support) for block, support in supports if support.strength(task)]
            if not shown and sum(support.strength(task) for _, support in usable) >= options.min_patients:
                key, support = Key(name, task, "transfer"), reduce(add, (support for _, support in usable))
                yield key, show(key, support, _sample([block for block, _ in usable], resamples), options.level)


def _sample(blocks: Sequence[Prediction], resamples: Resamples) -> dict[str, Sampled]:
    found = [_resample(block, resamples) for block in blocks]
    return {
        metric: weighted_mean([entry["value"][metric] for entry in found], [entry["weight"][metric] for entry in found])
        for metric in found[0]["weight"]
    }


def _resample(block: Prediction, resamples: Resamples) -> dict[str, dict[str, Sampled]]:
    """A cohort's metrics and its weight in the pool."""
    codes, draws = resamples[block.cohort, block.probe]
    weight = partial(find_target(block.task).kind.pool_weights, block.target, np.searchsorted(codes, block.patients))
    return bootstrap({"value": metrics_under(block, codes), "weight": weight}, draws)
