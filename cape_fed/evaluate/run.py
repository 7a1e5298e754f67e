"""Evaluation of one encoder with its baselines: from stores to results, predictions and a report."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cape_fed.evaluate.collect import collect_results, identify
from cape_fed.evaluate.files.predictions import PREDICTIONS_FILE, write_predictions
from cape_fed.evaluate.files.sample import SAMPLE_FILE, write_sample
from cape_fed.evaluate.inputs import EvaluationInputs
from cape_fed.evaluate.methods import evaluate_method
from cape_fed.evaluate.report.document import CURVES_FILE, report_evaluation
from cape_fed.evaluate.report.examples import draw_examples
from cape_fed.evaluate.report.maps import draw_map
from cape_fed.evaluate.results import RESULTS_FILE, BundleInfo, ForeignInfo, Results, write_json
from cape_fed.files import atomic_file

log = logging.getLogger(__name__)


def evaluate_bundle(inputs: EvaluationInputs, out: Path) -> Results:
    """Evaluate an encoder on the cohorts it was trained on (ID) and on others (OOD), and write all of it to ``out``.

    Nothing is written before everything is known, and ``results.json`` is written last: one that is there goes before
    anything else is replaced. Raises InputError for patients on both sides, for no training cohort, for a baseline of
    the encoder's name and for features that are not finite.
    """
    encoder, compared, cohorts, options = inputs.encoder, inputs.compared, inputs.cohorts, inputs.options
    for name, why in inputs.absent.items():
        log.warning("the tables have no row %s: %s", name, why)
    features = encoder.embed_cohorts(cohorts)
    outcomes = {encoder.name: evaluate_method(encoder, cohorts, features, inputs.heads, options, inputs.summing)}
    for baseline in compared:
        others = baseline.embed_cohorts(cohorts)
        outcomes[baseline.name] = evaluate_method(baseline, cohorts, others, {}, options, inputs.summing)
    results = collect_results(outcomes, cohorts, encoder.name, _identity(inputs), options)
    results = results.model_copy(update={"foreign": _facts(inputs), "absent": inputs.absent})
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULTS_FILE).unlink(missing_ok=True)
    draw_map(cohorts, features, out, options)  # of baselines there is none, and no sample
    write_sample(cohorts, features, out / SAMPLE_FILE, options)
    write_predictions((block for outcome in outcomes.values() for block in outcome.predictions), out / PREDICTIONS_FILE)
    _write_curves(inputs.curves, out / CURVES_FILE)
    draw_examples(cohorts, out, options)
    report_evaluation(results, out)
    write_json(results, out / RESULTS_FILE)
    return results


def _facts(inputs: EvaluationInputs) -> dict[str, ForeignInfo]:
    return {name: loaded.info for name, loaded in inputs.foreign.items()}


def _identity(inputs: EvaluationInputs) -> BundleInfo:
    if inputs.bundle is None:
        return BundleInfo(name=inputs.foreign[inputs.method].info.factory)
    return identify(inputs.bundle)


def _write_curves(curves: Iterable[Mapping[str, Any]], path: Path) -> None:
    with atomic_file(path) as partial:
        partial.write_text("".join(json.dumps(dict(line)) + "\n" for line in curves), encoding="utf-8")
