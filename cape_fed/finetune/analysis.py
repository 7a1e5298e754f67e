"""From the predictions of all fits to scores, and to how much they gain over training from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.scoring.aggregate import mean_over_cohorts, shared_tasks
from cape_fed.evaluate.scoring.calibration import calibration_metrics
from cape_fed.evaluate.scoring.cells import Resamples, make_resamples
from cape_fed.evaluate.scoring.differences import MEAN, sampled_values
from cape_fed.evaluate.scoring.pooled import POOLS, score_with_pools
from cape_fed.evaluate.statistics.bootstrap import Sampled, bootstrap, mean
from cape_fed.evaluate.statistics.effects import effect
from cape_fed.evaluate.targets.registry import is_regression
from cape_fed.evaluate.targets.support import support_of
from cape_fed.finetune.config import Mode
from cape_fed.finetune.fits import Fit
from cape_fed.finetune.results import Gain, Scope, Score

Place = tuple[str, str, Scope]
"""Task (or ``mean``), metric and scope."""
Level = tuple[Mode, float]
"""Mode and share of the labels."""
Repeats = Mapping[Place, Sequence[Sampled]]
"""The values of all repeats."""


def analyse(
    predictions: Mapping[Fit, Sequence[Prediction]], roles: Mapping[str, Role], options: EvaluateOptions
) -> tuple[list[Score], list[Gain]]:
    """Scores of every mode and share of labels, and gains over scratch, all on the same resamples of the patients.

    Intervals are over seeds and patients where there are several repeats, and over patients where there is one.
    """
    resamples = make_resamples((block for blocks in predictions.values() for block in blocks), options)
    values: dict[Level, dict[Place, list[Sampled]]] = {}
    for fit, blocks in predictions.items():
        scored = score_with_pools(blocks, resamples, roles, options)
        level = values.setdefault((fit.mode, fit.fraction), {})
        found = sampled_values(scored, {**roles, **POOLS}) | calibration(blocks, resamples, roles, options)
        for place, sampled in found.items():
            level.setdefault(place, []).append(sampled)
    scores = [
        Score(**_describe(level, place, repeats, options.level)[0])
        for level, places in values.items()
        for place, repeats in places.items()
    ]
    gains = [
        _gain(level, place, repeats, values["scratch", level[1]][place], options.level)
        for level, places in values.items()
        if level[0] != "scratch"
        for place, repeats in places.items()
    ]
    return scores, gains


def calibration(
    blocks: Sequence[Prediction], resamples: Resamples, roles: Mapping[str, Role], options: EvaluateOptions
) -> dict[Place, Sampled]:
    """Brier score and calibration error of the probabilities that logits stand for, mean over cohorts and tasks."""
    values: dict[str, dict[str, dict[str, Sampled]]] = {}
    for block in blocks:
        enough = support_of(block.target, block.patients).enough(block.task, options.min_patients)
        if enough and not is_regression(block.task):
            codes, draws = resamples[block.cohort, block.probe]
            patients = np.searchsorted(codes, block.patients)
            metrics = partial(calibration_metrics, block.target, expit(block.score), patients)
            for metric, sampled in bootstrap({block.task: metrics}, draws)[block.task].items():
                values.setdefault(metric, {}).setdefault(block.task, {})[block.cohort] = sampled
    found: dict[Place, Sampled] = {}
    sides: tuple[Role, ...] = ("id", "ood")
    for metric, by_task in values.items():
        tasks = shared_tasks(by_task, roles)
        for role in sides:
            if means := [entry.sampled for task in tasks if (entry := mean_over_cohorts(by_task[task], roles, role))]:
                found[MEAN, metric, role] = mean(means)
    return found


def _gain(level: Level, place: Place, repeats: Sequence[Sampled], scratch: Sequence[Sampled], coverage: float) -> Gain:
    described, p = _describe(level, place, [a - b for a, b in zip(repeats, scratch, strict=True)], coverage)
    return Gain(**described, p=p)


def _describe(
    level: Level, place: Place, repeats: Sequence[Sampled], coverage: float
) -> tuple[dict[str, Any], float | None]:
    """Fields of a score, and p of no difference from 0."""
    mode, fraction = level
    task, metric, scope = place
    if len(repeats) > 1:
        found = effect(repeats, coverage)
        point, low, high, p = found.point, found.low, found.high, found.p
    else:
        point, (low, high), p = repeats[0].point, repeats[0].interval(coverage), repeats[0].p_value()
    names = {"mode": mode, "fraction": fraction, "task": task, "metric": metric, "scope": scope}
    return names | {"point": point, "low": low, "high": high, "repeats": [value.point for value in repeats]}, p
