"""How many records and patients stand behind a number, and from how many on it may be shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.targets.registry import is_regression


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
