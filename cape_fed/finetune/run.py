"""Fine-tuning from cohorts with their splits to results and a report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import EvaluatedCohort, Role
from cape_fed.evaluate.files.predictions import PREDICTIONS_FILE, write_predictions
from cape_fed.evaluate.results import RESULTS_FILE, BundleInfo, write_json
from cape_fed.evaluate.targets.registry import is_regression
from cape_fed.evaluate.targets.support import support_of
from cape_fed.finetune.analysis import analyse
from cape_fed.finetune.cell import Cell, Material, check_shares, plan_cells, predictions, read_cell, run_cell
from cape_fed.finetune.config import Target
from cape_fed.finetune.report.document import report_finetune
from cape_fed.finetune.results import FinetuneResults, TunedCohort
from cape_fed.rundir import RunDirectory

log = logging.getLogger(__name__)

CELLS = "cells"

Progress = Callable[[int, int, str], None]
"""Called with the cells done, the cells in all and what to say about the last one."""


def finetune_cohorts(
    material: Material,
    bundle: BundleInfo,
    splits: Mapping[str, str],
    progress: Progress = lambda done, total, line: None,
) -> FinetuneResults:
    """Train every cell that has no outcome yet, and write results, predictions and report to ``config.out``.

    ``splits`` says in words how each cohort was divided. InputError before anything is written where a share of the
    labels is too small, or what is there was made of another bundle, store or configuration.
    """
    config = material.config
    cells = plan_cells(config.finetune)
    check_shares(material, cells)
    run = RunDirectory(config.out)
    made_of = {"bundle": bundle.sha256, "stores": {c.name: c.store.meta.fingerprint for c in material.cohorts}}
    with run.open({**config.saved(), **made_of}, resume=config.resume):
        for number, cell in enumerate(cells):
            _run(material, cell, run.path / CELLS / cell.name)
            progress(number + 1, len(cells), "")
        results = _results(material, cells, run, bundle, splits)
        report_finetune(results, run.path)
        write_json(results, run.path / RESULTS_FILE)
    return results


def usable_tasks(cohorts: Sequence[EvaluatedCohort], target: Target, minimum: int) -> list[str]:
    """Yes-or-no tasks, or age, with ``minimum`` patients to learn from and as many to be tested on.

    For a yes or no they are so many of either kind. Raises InputError where there is no such task.
    """
    learnt = [cohort for cohort in cohorts if cohort.role == "id"]
    tasks = [task for task in learnt[0].targets if is_regression(task) == (target == "age")]
    found = [
        task for task in tasks if min(_strength(learnt, task, "train"), _strength(learnt, task, "tested")) >= minimum
    ]
    if not found:
        lacking = "of known age" if target == "age" else "with a yes and as many with a no"
        raise InputError(
            f"no task has {minimum} train and {minimum} test patients {lacking} in "
            f"{', '.join(cohort.name for cohort in learnt)}: lower evaluation.min_patients or give a larger cohort"
        )
    return found


def _run(material: Material, cell: Cell, folder: Path) -> None:
    if not folder.is_dir():
        run_cell(material, cell, folder)
        facts, _ = read_cell(folder)
        log.info("%s: step %d, %.0f s", cell.name, facts.step, facts.seconds)


def _strength(cohorts: Sequence[EvaluatedCohort], task: str, part: str) -> int:
    rows = [cohort.train if part == "train" else cohort.tested["transfer"] for cohort in cohorts]
    return sum(
        support_of(cohort.targets[task][own], cohort.store.patients[own]).strength(task)
        for cohort, own in zip(cohorts, rows, strict=True)
    )


def _results(
    material: Material, cells: Sequence[Cell], run: RunDirectory, bundle: BundleInfo, splits: Mapping[str, str]
) -> FinetuneResults:
    outcomes = {cell: read_cell(run.path / CELLS / cell.name) for cell in cells}
    blocks = {cell: predictions(material, cell, outputs) for cell, (_, outputs) in outcomes.items()}
    write_predictions((block for found in blocks.values() for block in found), run.path / PREDICTIONS_FILE)
    roles: dict[str, Role] = {cohort.name: cohort.role for cohort in material.cohorts}
    scores, gains = analyse(blocks, roles, material.config.evaluation)
    return FinetuneResults(
        method=material.config.method or str(material.encoder.provenance.get("method", bundle.name)),
        bundle=bundle,
        seed=material.config.seed,
        tasks=list(material.tasks),
        cohorts={cohort.name: _describe(cohort, splits[cohort.name]) for cohort in material.cohorts},
        cells=[facts for facts, _ in outcomes.values()],
        scores=scores,
        gains=gains,
        options=material.config.finetune,
        evaluation=material.config.evaluation,
    )


def _describe(cohort: EvaluatedCohort, split: str) -> TunedCohort:
    def count(rows: np.ndarray) -> int:
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
