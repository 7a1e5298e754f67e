"""Which tasks of some cohorts can be learnt and tested."""

from __future__ import annotations

from collections.abc import Sequence

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.targets.registry import is_regression
from cape_fed.evaluate.targets.support import support_of
from cape_fed.finetune.config import LABELS


def usable_tasks(cohorts: Sequence[EvaluatedCohort], target: str, minimum: int) -> list[str]:
    """Yes-or-no tasks, or the regression target, with ``minimum`` patients to learn from and as many to be tested on.

    Of a yes-or-no task there have to be that many patients of either kind. Raises InputError where there is no such
    task.
    """
    learnt = [cohort for cohort in cohorts if cohort.role == "id"]
    wanted = [task for task in learnt[0].targets if (not is_regression(task) if target == LABELS else task == target)]
    found = [
        task for task in wanted if min(_strength(learnt, task, "train"), _strength(learnt, task, "tested")) >= minimum
    ]
    if not found:
        lacking = "with a yes and as many with a no" if target == LABELS else f"of known {target}"
        raise InputError(
            f"no task has {minimum} train and {minimum} test patients {lacking} in "
            f"{', '.join(cohort.name for cohort in learnt)}: lower evaluation.min_patients or give a larger cohort"
        )
    return found


def _strength(cohorts: Sequence[EvaluatedCohort], task: str, part: str) -> int:
    rows = [cohort.train if part == "train" else cohort.tested["transfer"] for cohort in cohorts]
    return sum(
        support_of(cohort.targets[task][chosen], cohort.store.patients[chosen]).strength(task)
        for cohort, chosen in zip(cohorts, rows, strict=True)
    )
