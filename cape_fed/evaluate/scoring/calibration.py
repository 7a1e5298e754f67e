"""Whether predicted probabilities are frequencies: Brier score, calibration error and reliability curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort, Rows
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.probes.fit import Probe
from cape_fed.evaluate.probes.predict import apply_probes
from cape_fed.evaluate.probes.representation import Features, Representation
from cape_fed.evaluate.results import Calibration, Estimate, ReliabilityBin
from cape_fed.evaluate.statistics.bootstrap import Draws, bootstrap
from cape_fed.evaluate.targets.registry import is_regression
from cape_fed.evaluate.targets.support import support_of

BINS = 10
FEWEST = 5
"""Patients of either class from which on scores are turned into probabilities."""

Vector = NDArray[np.float64]
Map = Callable[[Vector], Vector]
"""From scores to probabilities."""


def calibrate(
    method: Representation,
    cohorts: Sequence[EvaluatedCohort],
    features: Features,
    probes: Mapping[str, Probe],
    options: EvaluateOptions,
) -> list[Calibration]:
    """Calibration of the transfer probes on every cohort's test patients, as they come and recalibrated at the site.

    ``probes`` are the transfer probes by task. Their scores become probabilities by a logistic map (Platt 1999) fitted
    on the validation patients of the ID cohorts together; recalibrated, by one fitted on the cohort's own validation
    patients. Both are judged on the same test patients, none of whom took part in either. Tasks and cohorts with too
    few patients are left out.
    """
    valid = {c.name: _scores(method, c, features, probes, c.valid) for c in cohorts}
    trained = [valid[c.name] for c in cohorts if c.role == "id"]
    common = {task: fit_map([blocks[task] for blocks in trained if task in blocks]) for task in probes}
    found = []
    for cohort in cohorts:
        for task, block in _scores(method, cohort, features, probes, cohort.tested["within"]).items():
            shared = common[task]
            if shared is not None and support_of(block.target, block.patients).enough(task, options.min_patients):
                own = fit_map([valid[cohort.name][task]]) if task in valid[cohort.name] else None
                found.append(_judge(block, shared, own, options))
    return found


def fit_map(blocks: Sequence[Prediction]) -> Map | None:
    """A logistic map from the scores of some records; None where a class has fewer than `FEWEST` patients."""
    from sklearn.linear_model import LogisticRegression  # a second that other commands do without

    if not blocks or sum(support_of(b.target, b.patients).strength(b.task) for b in blocks) < FEWEST:
        return None
    score, target = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("score", "target"))
    centre, spread = float(score.mean()), max(float(score.std()), 1e-12)
    # A weak penalty: without one the map of a few separable records would be a step.
    model = LogisticRegression(C=1e3).fit(((score - centre) / spread)[:, None], target > 0.5)
    return lambda values: np.asarray(model.predict_proba(((values - centre) / spread)[:, None])[:, 1])


def calibration_metrics(target: Vector, p: Vector, patients: NDArray[np.int64], weights: Vector) -> dict[str, Vector]:
    """Brier score and expected calibration error ``[B]`` of probabilities ``p [n]`` under weights ``[P, B]``.

    The error is the mean, over bins of equally many records as they are, of the absolute difference between mean
    probability and share of positives, each bin by its weight.
    """
    n = np.bincount(patients, minlength=len(weights)) @ weights
    brier = np.bincount(patients, (p - target) ** 2, minlength=len(weights)) @ weights / n
    bins, count = bins_of(p), min(BINS, len(p))
    gaps = np.zeros((count, len(weights)))
    np.add.at(gaps, (bins, patients), p - target)
    return {"brier": brier, "ece": np.abs(gaps @ weights).sum(axis=0) / n}


def bins_of(p: Vector) -> NDArray[np.int64]:
    """Bin ``[n]`` of each record: by rank, equally many in each up to one; equal probabilities may lie in two bins."""
    count = min(BINS, len(p))
    rank = np.empty(len(p), np.int64)
    rank[np.argsort(p, kind="stable")] = np.arange(len(p))
    return rank * count // len(p)


def reliability(target: Vector, p: Vector, patients: NDArray[np.int64], minimum: int) -> list[ReliabilityBin]:
    """Mean probability and share of positives in each bin; bins with fewer than ``minimum`` patients are not shown."""
    bins = bins_of(p)
    return [
        ReliabilityBin(predicted=float(p[own].mean()), observed=float(target[own].mean()), n=int(own.sum()))
        for number in range(bins.max() + 1)
        if len(np.unique(patients[own := bins == number])) >= minimum
    ]


def _scores(
    method: Representation, cohort: EvaluatedCohort, features: Features, probes: Mapping[str, Probe], rows: Rows
) -> dict[str, Prediction]:
    """Scores of the transfer probes on some rows, by task with a yes or no."""
    looking = replace(cohort, tested={"transfer": rows, "within": rows})
    binary = {task: probe for task, probe in probes.items() if not is_regression(task)}
    blocks = apply_probes(method, looking, features[cohort.name], "transfer", binary) if len(rows) else iter(())
    return {block.task: block for block in blocks}


def _judge(block: Prediction, common: Map, own: Map | None, options: EvaluateOptions) -> Calibration:
    codes, patients = np.unique(block.patients, return_inverse=True)
    draws = Draws(len(codes), options.resamples, options.seed, block.cohort)
    maps = {"": common} | ({"recalibrated": own} if own else {})
    values = {name: convert(block.score) for name, convert in maps.items()}
    metrics = {name: partial(calibration_metrics, block.target, p, patients) for name, p in values.items()}
    sampled = bootstrap(metrics, draws)
    parts: dict[str, object] = {}
    for name, p in values.items():
        prefix = f"{name}_" if name else ""
        for metric, value in sampled[name].items():
            parts[f"{prefix}{metric}"] = Estimate.of(metric, value, options.level)
        parts[f"{prefix}curve"] = reliability(block.target, p, block.patients, options.min_patients)
    return Calibration.model_validate(
        {"cohort": block.cohort, "task": block.task, "n": len(block.rows), "n_pos": int(block.target.sum()), **parts}
    )
