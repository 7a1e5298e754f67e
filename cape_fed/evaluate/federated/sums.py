"""What a training site gives towards the transfer probes: sums over enough patients, in few enough dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cape_fed.evaluate.cohorts import EvaluatedCohort, Rows
from cape_fed.evaluate.federated.dimensions import PATIENTS_A_DIMENSION, most_of_products
from cape_fed.evaluate.federated.disclosure import choose_records, choose_widths
from cape_fed.evaluate.probes.representation import Features, Representation
from cape_fed.evaluate.probes.sums import ProbeSums, add_sums, cohort_sums
from cape_fed.evaluate.targets.registry import in_order


def site_sums(
    cohorts: Sequence[EvaluatedCohort],
    features: Features,
    method: Representation,
    minimum: int,
    per_dimension: int = PATIENTS_A_DIMENSION,
) -> dict[str, ProbeSums]:
    """What one site gives towards the transfer probe of each task: sums over all its ID cohorts together.

    ``features`` are those that are summed, on public and randomly chosen dimensions. None is given where the site has
    too few train patients for all D of them; the sums of a task are over so many of the first ones as its patients
    allow, with ``per_dimension`` of them or more for each (`choose_widths`). They are over records so chosen that
    neither a sum nor the difference of two is of fewer than ``minimum`` patients (`discloses_few`). Each ``support``
    counts the records used. A task without enough train patients is left out, and one without enough validation
    patients has validation sums of no record.
    """
    own = [cohort for cohort in cohorts if cohort.role == "id"]
    if not own:
        return {}
    width = int(features[own[0].name].shape[1])
    trained = _Part(own, [cohort.train for cohort in own], in_order(own[0].targets))
    if most_of_products(len(np.unique(trained.patients)), per_dimension) < width:
        return {}
    train, train_widths = trained.choose(minimum, dict.fromkeys(trained.targets, width), per_dimension)
    validated = _Part(own, [cohort.valid for cohort in own], list(train))
    valid, valid_widths = validated.choose(minimum, train_widths, per_dimension)
    sums = add_sums(
        cohort_sums(_restrict(cohort, train, valid, index), features[cohort.name], method)
        for index, cohort in enumerate(own)
    )
    return {task: material.first(train_widths[task], valid_widths.get(task, 0)) for task, material in sums.items()}


def with_enough(sums: Mapping[str, ProbeSums], minimum: int) -> dict[str, ProbeSums]:
    """The sums of the tasks with ``minimum`` train patients, and of these the validation sums of as many patients.

    Which records are summed does not depend on it: sums of one site for several minima can be held against each other.
    """
    return {
        task: material if material.valid_support.enough(task, minimum) else material.first(material.train.width, 0)
        for task, material in sums.items()
        if material.support.enough(task, minimum)
    }


class _Part:
    """The train, or the validation, records of a site's cohorts, one after the other."""

    def __init__(self, cohorts: Sequence[EvaluatedCohort], rows: Sequence[Rows], tasks: Sequence[str]) -> None:
        self.rows = rows
        parts = list(zip(cohorts, rows, strict=True))
        self.targets = {task: np.concatenate([cohort.targets[task][part] for cohort, part in parts]) for task in tasks}
        keys = [np.asarray(cohort.store.patient_keys, str)[cohort.store.patients[part]] for cohort, part in parts]
        self.patients = np.unique(np.concatenate(keys), return_inverse=True)[1].astype(np.int64)

    def choose(
        self, minimum: int, most: Mapping[str, int], per_dimension: int
    ) -> tuple[dict[str, list[Rows]], dict[str, int]]:
        """By task the rows of each cohort that its sums may be over, and over how many dimensions, at most ``most``."""
        chosen = choose_records(self.targets, self.patients, minimum)
        widths = choose_widths(self.targets, chosen, self.patients, most, per_dimension)
        ends = np.cumsum([len(part) for part in self.rows])[:-1]
        rows = {
            task: [part[mask] for part, mask in zip(self.rows, np.split(chosen[task], ends), strict=True)]
            for task in widths
        }
        return rows, widths


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
