"""Evaluation of one encoder beside its baselines: from stores to results, predictions and a report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.evaluate.artefact.probe import LINEAR, METRIC, NEAREST, probe_artefacts, probe_projections
from cape_fed.evaluate.cohorts import EvaluatedCohort, make_cohorts
from cape_fed.evaluate.files.predictions import PREDICTIONS_FILE, write_predictions
from cape_fed.evaluate.files.sample import SAMPLE_FILE, write_sample
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.evaluate.probes.fit import fit
from cape_fed.evaluate.probes.predict import predict_with
from cape_fed.evaluate.probes.representation import DEMOGRAPHICS, Embed, Features, Representation
from cape_fed.evaluate.report.document import CURVES_FILE, report_evaluation
from cape_fed.evaluate.report.examples import draw_examples
from cape_fed.evaluate.report.maps import draw_map
from cape_fed.evaluate.results import (
    RESULTS_FILE,
    ArtefactProbe,
    BundleInfo,
    Calibration,
    CohortInfo,
    DeLong,
    Estimate,
    MethodResults,
    Results,
    write_json,
)
from cape_fed.evaluate.scoring.calibration import calibrate
from cape_fed.evaluate.scoring.cells import Key, Resamples, Scored, make_resamples
from cape_fed.evaluate.scoring.differences import compare
from cape_fed.evaluate.scoring.pooled import score_with_pools
from cape_fed.evaluate.scoring.subgroups import score_subgroups
from cape_fed.evaluate.scoring.tables import method_results
from cape_fed.evaluate.statistics.delong import delong_interval
from cape_fed.evaluate.targets.registry import task_names
from cape_fed.files import atomic_file
from cape_fed.store import Store
from cape_fed.store.split import Split, split_patients

Project = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From embeddings ``[N, D]`` to projections ``[N, P]``."""


@dataclass(frozen=True)
class _Outcome:
    """What one method gives before it is scored."""

    predictions: list[Prediction]
    artefact_probe: ArtefactProbe
    calibration: list[Calibration]


def evaluate_bundle(
    bundle: Path,
    train: Sequence[Store],
    evaluate: Sequence[Store],
    out: Path,
    *,
    method: str,
    embed: Embed,
    baselines: Mapping[str, Embed],
    splits: Mapping[str, Split] | None = None,
    curves: Iterable[Mapping[str, Any]] = (),
    project: Mapping[str, Project] | None = None,
    options: EvaluateOptions | None = None,
) -> Results:
    """Evaluate an encoder on the cohorts it was trained on (ID) and on others (OOD), and write all of it to ``out``.

    ``embed`` and ``baselines`` (by name) turn a store into features ``[N, D]``; demographics are always among the
    baselines. ``splits`` by cohort are those of the training run; a cohort without one is split by the seed.
    ``project`` by place are the run's projection heads, from features to what the objective contrasts. ``curves`` are
    the lines of the run's ``metrics.jsonl``. Raises InputError for patients on both sides, for no training cohort and
    for features that are not finite.
    """
    options = options or EvaluateOptions()
    if method in {DEMOGRAPHICS.name, *baselines}:
        raise InputError(f"the method cannot be called '{method}': a baseline has that name, give another")
    stores = [*train, *evaluate]
    split = {store.cohort: (splits or {}).get(store.cohort) or split_patients(store, options.seed) for store in stores}
    cohorts = make_cohorts(train, evaluate, split, task_names(stores))
    methods = [Representation(method, embed), *(Representation(*item) for item in baselines.items()), DEMOGRAPHICS]
    out.mkdir(parents=True, exist_ok=True)
    outcomes = {}
    for index, representation in enumerate(methods):
        features = representation.embed_cohorts(cohorts)
        outcomes[representation.name] = _evaluate(representation, cohorts, features, options)
        if index == 0:
            draw_map(cohorts, features, out, options)
            write_sample(cohorts, features, out / SAMPLE_FILE, options)
            probe = outcomes[method].artefact_probe
            probe.projection, probe.projection_neighbours = _probe_heads(cohorts, features, project or {}, options)
    results = _results(outcomes, cohorts, method, identify(bundle), options)
    draw_examples(cohorts, out, options)
    write_predictions((block for outcome in outcomes.values() for block in outcome.predictions), out / PREDICTIONS_FILE)
    with atomic_file(out / CURVES_FILE) as partial:
        partial.write_text("".join(json.dumps(dict(line)) + "\n" for line in curves), encoding="utf-8")
    report_evaluation(results, out)
    write_json(results, out / RESULTS_FILE)
    return results


def identify(bundle: Path) -> BundleInfo:
    """A bundle's name and the hash of its weights."""
    weights = bundle / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else None
    return BundleInfo(name="/".join(bundle.parts[-2:]), sha256=digest)


def _probe_heads(
    cohorts: Sequence[EvaluatedCohort], features: Features, heads: Mapping[str, Project], options: EvaluateOptions
) -> tuple[Estimate | None, Estimate | None]:
    """The cohort probe on projections, linear and by neighbours; None where there is no head."""
    projections = {place: {name: head(own) for name, own in features.items()} for place, head in heads.items()}
    found = probe_projections(cohorts, projections, options)
    linear, nearest = (
        Estimate.of(METRIC, found[name], options.level) if name in found else None for name in (LINEAR, NEAREST)
    )
    return linear, nearest


def _evaluate(
    method: Representation, cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions
) -> _Outcome:
    probes = fit(method, cohorts, features, options)
    return _Outcome(
        predict_with(method, cohorts, features, probes),
        probe_artefacts(cohorts, features, options),
        calibrate(method, cohorts, features, probes.transfer, options),
    )


def _results(
    outcomes: Mapping[str, _Outcome],
    cohorts: Sequence[EvaluatedCohort],
    method: str,
    bundle: BundleInfo,
    options: EvaluateOptions,
) -> Results:
    resamples = make_resamples((block for outcome in outcomes.values() for block in outcome.predictions), options)
    roles = {cohort.name: cohort.role for cohort in cohorts}
    scored = {
        name: score_with_pools(outcome.predictions, resamples, roles, options) for name, outcome in outcomes.items()
    }
    beside = outcomes[DEMOGRAPHICS.name].artefact_probe
    tables = {name: _table(scored[name], cohorts, outcomes[name], beside, resamples, options) for name in outcomes}
    baselines = [name for name in outcomes if name != method]
    return Results(
        **dict(tables[method]),
        method=method,
        bundle=bundle,
        seed=options.seed,
        cohorts={cohort.name: _describe(cohort) for cohort in cohorts},
        baselines={name: tables[name] for name in baselines},
        differences=compare(scored, [(method, name) for name in baselines], roles, options.level),
        options=options,
    )


def _table(
    scored: Mapping[Key, Scored],
    cohorts: Sequence[EvaluatedCohort],
    outcome: _Outcome,
    demographics: ArtefactProbe,
    resamples: Resamples,
    options: EvaluateOptions,
) -> MethodResults:
    beside = Estimate(**{name: getattr(demographics, name) for name in Estimate.model_fields})
    probe = outcome.artefact_probe.model_copy(update={"demographics": beside})
    subgroups, gaps = score_subgroups(outcome.predictions, cohorts, resamples, options)
    further = {"calibration": outcome.calibration, "subgroups": subgroups, "gaps": gaps}
    further["delong"] = _delong(scored, outcome.predictions, options.level)
    return method_results(scored, cohorts, probe, options.level).model_copy(update=further)


def _delong(scored: Mapping[Key, Scored], predictions: Sequence[Prediction], level: float) -> list[DeLong]:
    """Beside every AUROC that is shown."""
    found = []
    for block in predictions:
        cell = scored[Key(block.cohort, block.task, block.probe)].cell
        if cell.metric == "auroc" and cell.point is not None:
            low, high = delong_interval(block.target, block.score, block.patients, level)
            place = {"cohort": block.cohort, "task": block.task, "probe": block.probe}
            found.append(DeLong(metric="auroc", point=cell.point, low=low, high=high, **place))
    return found


def _describe(cohort: EvaluatedCohort) -> CohortInfo:
    return CohortInfo(
        role=cohort.role,
        records=len(cohort.store),
        patients=len(cohort.store.patient_keys),
        evaluated={probe: len(rows) for probe, rows in cohort.tested.items()},
        left_out=cohort.left_out,
        fingerprint=cohort.fingerprint(),
    )
