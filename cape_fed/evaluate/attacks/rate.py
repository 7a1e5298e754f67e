"""How many members an attack finds at few false positives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.release.membership import Found
from cape_fed.seeds import derive_rng

FALSE_POSITIVES = 0.01
"""Share of the patients who are not members that an attack may take for members."""
_RESAMPLES = 1000
_LEVEL = 0.95

Scores = NDArray[np.floating]
"""One score a patient, higher for whom the attack takes for a member."""


def true_positive_rate(members: Scores, others: Scores) -> float:
    """Share of ``members`` above the score that at most 1 % of ``others`` exceed.

    InputError for fewer others than make 1 % of them a patient.
    """
    if len(others) * FALSE_POSITIVES < 1 or not len(members):
        raise InputError(
            f"{len(members)} members and {len(others)} patients who are none: a rate at 1 % false positives takes at "
            f"least 1 and {round(1 / FALSE_POSITIVES)}"
        )
    threshold = np.sort(others)[-1 - int(FALSE_POSITIVES * len(others))]
    return float((members > threshold).mean())


def found(members: Scores, others: Scores, seed: int = 0) -> Found:
    """The true positive rate at 1 % false positives with a 95 % interval by bootstrap over patients of both kinds."""
    rng = derive_rng(seed, "membership interval")
    rates = [true_positive_rate(rng.choice(members, len(members)), rng.choice(others, len(others)))
             for _ in range(_RESAMPLES)]  # fmt: skip
    low, high = np.quantile(rates, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Found(rate=true_positive_rate(members, others), low=float(low), high=float(high))
