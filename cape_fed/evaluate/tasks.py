"""What is predicted, for which records it is known, and from how many patients on a number may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.store import Store

AGE = "age"
SEX = "sex"


def is_regression(task: str) -> bool:
    """Whether a task is predicted as a number (age in years) or as a yes or no (sex, with female as yes; labels)."""
    return task == AGE


def metrics_of(task: str) -> tuple[str, str]:
    """The first and the second metric of a task."""
    return ("mae", "r2") if is_regression(task) else ("auroc", "auprc")


def task_names(stores: Sequence[Store]) -> list[str]:
    """Age, sex and every label that at least one store annotates, in the order in which the stores name them."""
    labels = dict.fromkeys(label for store in stores for label in store.label_names)
    return [AGE, SEX, *labels]


def targets_of(store: Store, tasks: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Target ``[N]`` of each task, NaN where a record is not annotated."""
    known = {AGE, SEX, *store.label_names}
    missing = np.full(len(store), np.nan)
    return {task: store.label(task).astype(np.float64) if task in known else missing for task in tasks}


@dataclass(frozen=True)
class Support:
    """How much stands behind a number. A patient with both kinds of record counts among both."""

    n: int = 0
    n_pos: int = 0
    patients: int = 0
    patients_pos: int = 0
    patients_neg: int = 0

    def __add__(self, other: Support) -> Support:
        return Support(
            self.n + other.n,
            self.n_pos + other.n_pos,
            self.patients + other.patients,
            self.patients_pos + other.patients_pos,
            self.patients_neg + other.patients_neg,
        )

    def strength(self, task: str) -> int:
        """Number of patients that a number rests on: for a yes or no, those with the rarer of the two."""
        return self.patients if is_regression(task) else min(self.patients_pos, self.patients_neg)

    def enough(self, task: str, minimum: int) -> bool:
        """Whether there are ``minimum`` patients: for a yes or no, with a yes and as many with a no."""
        return self.strength(task) >= minimum


def support_of(target: NDArray[np.float64], patients: NDArray[np.int64]) -> Support:
    """Count records and patients; ``target`` may hold NaN."""
    annotated, positive = np.isfinite(target), target > 0.5
    return Support(
        int(annotated.sum()),
        int(positive.sum()),
        len(np.unique(patients[annotated])),
        len(np.unique(patients[positive])),
        len(np.unique(patients[annotated & ~positive])),
    )
