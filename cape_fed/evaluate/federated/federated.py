"""Evaluation whose records stay at their sites: sums leave a site, probes come back, cells leave it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cape_fed.evaluate.cohorts import EvaluatedCohort, ProbeKind, Rows
from cape_fed.evaluate.federated.disclosure import choose_records
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.predict import Features, Prediction, ProbeSums, apply_probes, fit_probes, materials, pool
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.evaluate.results import Cell
from cape_fed.evaluate.scoring.cells import fill, make_resamples, score

Cells = dict[str, dict[str, Cell]]
"""Cells of one kind of probe by cohort and task."""

_CONSTANT = 1e-12
"""Spread of a target, relative to its sum of squares, below which it does not vary."""


def site_sums(
    cohorts: Sequence[EvaluatedCohort], features: Features, method: Representation, minimum: int
) -> dict[str, ProbeSums]:
    """What one site gives towards the transfer probe of each task: sums over all its ID cohorts together.

    The sums are over records so chosen that neither a sum nor the difference of two is of fewer than ``minimum``
    patients: ``discloses_few`` has the rule and its limits. Each ``support`` counts the records used. A task without
    enough train patients is left out, and one without enough validation patients has validation sums of no record.
    Where nothing has to be left out, these are the sums of a central evaluation.
    """
    own = [cohort for cohort in cohorts if cohort.role == "id"]
    if not own:
        return {}
    train = _choose(own, [cohort.train for cohort in own], list(own[0].targets), minimum)
    valid = _choose(own, [cohort.valid for cohort in own], list(train), minimum)
    return pool(
        materials(_restrict(cohort, train, valid, index), features[cohort.name], method)
        for index, cohort in enumerate(own)
    )


def fit_transfer(sums: Sequence[Mapping[str, ProbeSums]], options: EvaluateOptions) -> dict[str, LinearProbe]:
    """The transfer probe of each task that has enough patients in the sums of all sites together."""
    return fit_probes(pool(sums), options)


def validation_score(sums: Sequence[Mapping[str, ProbeSums]], probes: Mapping[str, LinearProbe]) -> dict[str, float]:
    """R² of each task's probe over the validation records of all sites, a yes counting 1 and a no 0.

    Spread is that around the mean over all sites. A task without validation records, or whose target does not vary
    in them, is left out.
    """
    scores = {}
    for task, material in pool(sums).items():
        valid = material.valid
        square = float(valid.yy.sum())
        spread = square - float((valid.y**2).sum()) / max(valid.n, 1.0)
        if task in probes and spread > _CONSTANT * square:
            scores[task] = 1 - max(probes[task].squared_error(valid), 0.0) / spread
    return {task: score for task, score in scores.items() if math.isfinite(score)}


def within_cells(
    cohorts: Sequence[EvaluatedCohort], features: Features, method: Representation, options: EvaluateOptions
) -> Cells:
    """Fit each cohort's own probes and score its held-out records with them: a cell for every task of a cohort.

    A cell without enough patients behind it holds no number.
    """
    blocks: list[Prediction] = []
    for cohort in cohorts:
        own = features[cohort.name]
        blocks += apply_probes(method, cohort, own, "within", fit_probes(materials(cohort, own, method), options))
    return _cells(cohorts, blocks, "within", options)


def transfer_cells(
    cohorts: Sequence[EvaluatedCohort],
    features: Features,
    method: Representation,
    probes: Mapping[str, LinearProbe],
    options: EvaluateOptions,
) -> Cells:
    """Score each cohort's held-out records with probes from elsewhere: a cell for every task of a cohort.

    Probes of tasks that a cohort does not know are passed over. A cell without enough patients behind it holds no
    number.
    """
    blocks = [
        block for cohort in cohorts for block in apply_probes(method, cohort, features[cohort.name], "transfer", probes)
    ]
    return _cells(cohorts, blocks, "transfer", options)


def _cells(
    cohorts: Sequence[EvaluatedCohort], predictions: Sequence[Prediction], kind: ProbeKind, options: EvaluateOptions
) -> Cells:
    scored = score(predictions, make_resamples(predictions, options), options)
    return {cohort.name: {task: fill(scored, cohort, task, kind).cell for task in cohort.targets} for cohort in cohorts}


def _choose(
    cohorts: Sequence[EvaluatedCohort], rows: Sequence[Rows], tasks: Sequence[str], minimum: int
) -> dict[str, list[Rows]]:
    """Out of ``rows`` of each cohort, those that each task's sums may be over."""
    parts = list(zip(cohorts, rows, strict=True))
    targets = {task: np.concatenate([cohort.targets[task][part] for cohort, part in parts]) for task in tasks}
    keys = [np.asarray(cohort.store.patient_keys, str)[cohort.store.patients[part]] for cohort, part in parts]
    _, patients = np.unique(np.concatenate(keys), return_inverse=True)
    ends = np.cumsum([len(part) for part in rows])[:-1]
    return {
        task: [part[mask] for part, mask in zip(rows, np.split(chosen, ends), strict=True)]
        for task, chosen in choose_records(targets, patients, minimum).items()
    }


def _restrict(
    cohort: EvaluatedCohort, train: Mapping[str, Sequence[Rows]], valid: Mapping[str, Sequence[Rows]], index: int
) -> EvaluatedCohort:
    """The cohort as if nothing but the chosen records of the ``index``-th cohort were annotated."""
    targets = {}
    for task, rows in train.items():
        chosen = np.concatenate([rows[index], valid[task][index]]) if task in valid else rows[index]
        targets[task] = np.full(len(cohort.store), np.nan)
        targets[task][chosen] = cohort.targets[task][chosen]
    return replace(cohort, targets=targets)
