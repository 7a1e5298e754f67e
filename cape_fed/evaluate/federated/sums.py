"""What a training site gives towards the transfer probes: sums over enough patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cape_fed.evaluate.cohorts import EvaluatedCohort, Rows
from cape_fed.evaluate.federated.disclosure import choose_records
from cape_fed.evaluate.probes.representation import Features, Representation
from cape_fed.evaluate.probes.sums import ProbeSums, add_sums, cohort_sums


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
    return add_sums(
        cohort_sums(_restrict(cohort, train, valid, index), features[cohort.name], method)
        for index, cohort in enumerate(own)
    )


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
