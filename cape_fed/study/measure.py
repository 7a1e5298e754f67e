"""What is measured of a trial's encoder: every number with its values under resampled patients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.artefact.probe import LINEAR, cohort_accuracies, projection_accuracies
from cape_fed.evaluate.cohorts import ProbeKind, make_cohorts
from cape_fed.evaluate.files.sample import draw_sample
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.predict import predict
from cape_fed.evaluate.probes.representation import Representation, filled
from cape_fed.evaluate.scoring.aggregate import probe_values
from cape_fed.evaluate.scoring.cells import make_resamples
from cape_fed.evaluate.scoring.differences import MEAN, sampled_values
from cape_fed.evaluate.scoring.pooled import POOLS, score_with_pools
from cape_fed.evaluate.statistics.bootstrap import Sampled, mean
from cape_fed.evaluate.statistics.metrics import HIGHER_IS_BETTER
from cape_fed.evaluate.targets.registry import is_regression, task_names
from cape_fed.pretrain.cohorts import split_stores
from cape_fed.pretrain.config import SplitConfig
from cape_fed.pretrain.heads import project
from cape_fed.pretrain.objective import ProjectionHead
from cape_fed.store.split import Split
from cape_fed.store.store import Store

Measures = dict[str, Sampled]
"""By name: ``metric/scope`` of the mean over tasks, ``task/scope`` of single tasks, ``probe/...``, ``artefact/...``."""

PROBE, ARTEFACT = "probe/", "artefact/"
EVERY, _OOD = "auroc/every", "/ood"
"""The mean OOD AUROC over every task with a number there; that of ``auroc/ood`` is over those with one ID as well."""
WITHIN: ProbeKind = "within"


def measure(
    method: Representation,
    train: Sequence[Store],
    evaluate: Sequence[Store],
    splits: Mapping[str, Split],
    options: EvaluateOptions,
    heads: Mapping[str, ProjectionHead],
) -> tuple[Measures, NDArray[np.float32]]:
    """Measures of an encoder, ID being ``train`` and OOD ``evaluate``; also its embeddings ``[n, D]`` of a sample.

    Probes are fitted on all training patients of all ID cohorts by ``splits``, whoever of them the encoder was
    pretrained on: what differs between trials is the encoder. ``heads`` are the run's projection heads by place. The
    sample is of OOD records, of test patients of the ID cohorts where there is no OOD cohort, the same whatever the
    encoder.
    """
    cohorts = make_cohorts(train, evaluate, splits, task_names([*train, *evaluate]))
    features = method.embed_cohorts(cohorts)
    predictions = predict(method, cohorts, features, options)
    roles = {cohort.name: cohort.role for cohort in cohorts}
    scored = score_with_pools(predictions, make_resamples(predictions, options), roles, options)
    sampled = sampled_values(scored, {**roles, **POOLS})
    measures = {f"{metric if task == MEAN else task}/{scope}": one for (task, metric, scope), one in sampled.items()}
    if every := [measures[f"{task}{_OOD}"] for task in tasks_outside(measures)]:
        measures[EVERY] = mean(every)
    for metric in ("auroc", "mae"):
        values = probe_values(scored, metric, WITHIN)
        if outside := [s for trials in values.values() for name, s in trials.items() if roles[name] == "ood"]:
            measures[f"{metric}/{WITHIN}"] = mean(outside)
    dense = filled(cohorts, features)
    measures |= {f"{PROBE}{name}": value for name, value in cohort_accuracies(cohorts, dense, options).items()}
    projections = {
        place: {name: project(head, embeddings) for name, embeddings in dense.items()} for place, head in heads.items()
    }
    projected = projection_accuracies(cohorts, projections, options)
    measures |= {f"projection/{name}": value for name, value in projected.items()}
    side = [cohort for cohort in cohorts if cohort.role == "ood"] or cohorts
    return measures, draw_sample(side, dense, np.random.default_rng(options.seed)).features


def tasks_outside(measures: Iterable[str]) -> list[str]:
    """The tasks that `EVERY` is the mean over, by the names of an outcome's measures."""
    tasks = [name.removesuffix(_OOD) for name in measures if name.endswith(_OOD)]
    return [task for task in tasks if task not in HIGHER_IS_BETTER and not is_regression(task)]


def mean_measures(several: Sequence[Measures]) -> Measures:
    """Mean over encoders of the measures that all of them have."""
    shared = [name for name in several[0] if all(name in one for one in several)]
    return {name: mean([one[name] for one in several]) for name in shared}


def finite(measures: Measures) -> Iterator[tuple[str, Sampled]]:
    """Measures that have a value."""
    return ((name, value) for name, value in measures.items() if math.isfinite(value.point))


def probe_artefact(
    artefact: str, method: Representation, stores: Sequence[Store], split: SplitConfig, options: EvaluateOptions
) -> Measures:
    """How well the cohort is named where cohorts differ in one artefact: whether the encoder carries it."""
    cohorts = make_cohorts(stores, [], split_stores(stores, split), [])
    features = filled(cohorts, method.embed_cohorts(cohorts))
    found = cohort_accuracies(cohorts, features, options)
    return {f"{ARTEFACT}{artefact}": found[LINEAR]} if found else {}
