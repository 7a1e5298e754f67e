"""Fine-tuning from cohorts with their splits to results and a report."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cape_fed.evaluate.cohorts import EvaluatedCohort, Role, Rows
from cape_fed.evaluate.files.predictions import PREDICTIONS_FILE, write_predictions
from cape_fed.evaluate.results import RESULTS_FILE, BundleInfo, write_json
from cape_fed.finetune.analysis import analyse
from cape_fed.finetune.fits import Fit, check_shares, fit_predictions, plan_fits, read_fit, run_fit
from cape_fed.finetune.report.document import report_finetune
from cape_fed.finetune.results import FinetuneResults, TunedCohort
from cape_fed.finetune.setup import FinetuneSetup
from cape_fed.progress import Progress, no_progress
from cape_fed.rundir import RunDirectory

log = logging.getLogger(__name__)

FITS = "cells"
"""Folder of the fits in a run's directory."""


def finetune_cohorts(
    setup: FinetuneSetup,
    bundle: BundleInfo,
    splits: Mapping[str, str],
    run: RunDirectory,
    config: Mapping[str, Any],
    *,
    resume: bool = False,
    progress: Progress = no_progress,
) -> FinetuneResults:
    """Train every fit that has no outcome yet, and write results, predictions and report to ``run``.

    ``splits`` says in words how each cohort was divided, ``config`` is what the run's ``config.yaml`` holds. InputError
    before anything is written where a share of the labels is too small, or where the directory was made of another
    bundle, store or configuration.
    """
    fits = plan_fits(setup.settings.finetune)
    check_shares(setup, fits)
    weights = setup.foreign.sha256 if setup.foreign else bundle.sha256
    made_of = {"bundle": weights, "stores": {c.name: c.store.meta.fingerprint for c in setup.cohorts}}
    with run.open({**config, **made_of}, resume=resume):
        for number, planned in enumerate(fits):
            _run(setup, planned, run.path / FITS / planned.name)
            progress(number + 1, len(fits), {})
        results = _results(setup, fits, run, bundle, splits)
        report_finetune(results, run.path)
        write_json(results, run.path / RESULTS_FILE)
    return results


def _run(setup: FinetuneSetup, planned: Fit, folder: Path) -> None:
    if not folder.is_dir():
        run_fit(setup, planned, folder)
        facts, _ = read_fit(folder)
        log.info("%s: %.0f s", planned.name, facts.seconds)


def _results(
    setup: FinetuneSetup, fits: Sequence[Fit], run: RunDirectory, bundle: BundleInfo, splits: Mapping[str, str]
) -> FinetuneResults:
    outcomes = {planned: read_fit(run.path / FITS / planned.name) for planned in fits}
    blocks = {planned: fit_predictions(setup, planned, outputs) for planned, (_, outputs) in outcomes.items()}
    write_predictions((block for found in blocks.values() for block in found), run.path / PREDICTIONS_FILE)
    roles: dict[str, Role] = {cohort.name: cohort.role for cohort in setup.cohorts}
    scores, gains = analyse(blocks, roles, setup.settings.evaluation)
    return FinetuneResults(
        method=setup.method,
        bundle=bundle,
        foreign=setup.foreign,
        seed=setup.settings.seed,
        tasks=list(setup.tasks),
        cohorts={cohort.name: _describe(cohort, splits[cohort.name]) for cohort in setup.cohorts},
        cells=[facts for facts, _ in outcomes.values()],
        scores=scores,
        gains=gains,
        options=setup.settings.finetune,
        evaluation=setup.settings.evaluation,
    )


def _describe(cohort: EvaluatedCohort, split: str) -> TunedCohort:
    def count(rows: Rows) -> int:
        return len(np.unique(cohort.store.patients[rows]))

    learnt = cohort.role == "id"
    return TunedCohort(
        role=cohort.role,
        records=len(cohort.store),
        patients=len(cohort.store.patient_keys),
        train=count(cohort.train) if learnt else 0,
        valid=count(cohort.valid) if learnt else 0,
        test=count(cohort.tested["transfer"]),
        split=split,
    )
