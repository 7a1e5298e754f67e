"""Which records a site may sum up for each task, so that no sum and no difference of two is of a few patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.targets.registry import is_regression

Mask = NDArray[np.bool_]
"""Which of a site's records ``[N]``."""
Targets = Mapping[str, NDArray[np.float64]]
"""Target ``[N]`` of each task, NaN where a record is not annotated."""


def choose_records(targets: Targets, patients: NDArray[np.int64], minimum: int) -> dict[str, Mask]:
    """The annotated records that each task's sums may be over; no entry for a task that is to be left out.

    ``patients [N]`` are codes from 0 on that say whose each record is. What is chosen never ``discloses_few``. Tasks
    are taken in their order: one whose records are nearly those of earlier ones, fewer than ``minimum`` patients
    apart, shares with these the records that all of them have, and is left out where that is not enough.
    """
    chosen: dict[str, Mask] = {}
    for task, target in targets.items():
        trial = _share({**chosen, task: np.isfinite(target)}, task, patients, minimum)
        if not discloses_few(targets, trial, patients, minimum):
            chosen = trial
    return chosen


def discloses_few(targets: Targets, chosen: Mapping[str, Mask], patients: NDArray[np.int64], minimum: int) -> bool:
    """Whether sums over the records ``chosen`` for each task, or the difference of two of them, are of few patients.

    What a site gives for a task are the sums over its records and, with Σxy of a yes or no, those over its positive
    records and so over its negative ones. Each of these sets has to have ``minimum`` patients, and two of them, of
    whichever tasks, are either the same or differ by records of at least ``minimum`` patients.

    The rule is about pairs: it does not stop anyone from combining three and more sums. Nor does it hide membership
    from one who has an embedding already: Σxxᵀ over no more records than features shows whether it is among them.
    """
    sets = np.column_stack([np.zeros(len(patients), bool), *_summed(targets, chosen)])
    as_numbers = sets.astype(np.float64)
    common = as_numbers.T @ as_numbers
    records = np.diag(common)[:, None] + np.diag(common) - 2 * common
    if not records[0, 1:].all():
        return True
    # That many records apart cannot be fewer patients; only the pairs below it have their patients counted.
    enough = minimum * np.bincount(patients).max(initial=0)
    doubtful = np.argwhere(np.triu((records > 0) & (records < enough)))
    return any(_count(sets[:, first] ^ sets[:, second], patients) < minimum for first, second in doubtful)


def _summed(targets: Targets, chosen: Mapping[str, Mask]) -> Iterator[Mask]:
    """Every set of records over which something is summed."""
    for task, mask in chosen.items():
        yield mask
        if not is_regression(task):
            positive = targets[task] > 0.5
            yield mask & positive
            yield mask & ~positive


def _share(chosen: dict[str, Mask], task: str, patients: NDArray[np.int64], minimum: int) -> dict[str, Mask]:
    """Narrow the records of ``task`` and of all tasks near it to those in common, until none is near any more."""
    while True:
        apart = {name: _count(mask ^ chosen[task], patients) for name, mask in chosen.items()}
        near = [name for name, count in apart.items() if count < minimum]
        if not any(apart[name] for name in near):
            return chosen
        shared: Mask = np.logical_and.reduce([chosen[name] for name in near])
        chosen = {**chosen, **dict.fromkeys(near, shared)}


def _count(mask: Mask, patients: NDArray[np.int64]) -> int:
    return len(np.unique(patients[mask]))
