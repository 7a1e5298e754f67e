"""Which records a site may sum up for each task, and over how many dimensions, so that no sum and no difference of two
tells of a few patients or of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.federated.dimensions import PATIENTS_A_DIMENSION, most_of_products, most_of_totals
from cape_fed.evaluate.targets.registry import is_regression

Mask = NDArray[np.bool_]
"""Which of a site's records ``[N]``."""
Targets = Mapping[str, NDArray[np.float64]]
"""Target ``[N]`` of each task, NaN where a record is not annotated."""
_NEAR = 5
"""Two tasks whose records differ by less than one patient in so many share the records that both have."""


def choose_records(targets: Targets, patients: NDArray[np.int64], minimum: int) -> dict[str, Mask]:
    """The annotated records that each task's sums may be over; no entry for a task that is to be left out.

    ``patients [N]`` are codes from 0 on that say whose each record is. What is chosen never ``discloses_few``. Tasks
    are taken in their order: one whose records are nearly those of earlier ones, fewer than ``minimum`` or than a fifth
    of its patients apart, shares with these the records that all of them have, and is left out where that is not
    enough. Sharing keeps the difference from being a small set, which could be given in few dimensions only.
    """
    chosen: dict[str, Mask] = {}
    for task, target in targets.items():
        annotated = np.isfinite(target)
        near = max(minimum, -(-_count(annotated, patients) // _NEAR))
        trial = _share({**chosen, task: annotated}, task, patients, near)
        if not discloses_few(targets, trial, patients, minimum):
            chosen = trial
    return chosen


def discloses_few(targets: Targets, chosen: Mapping[str, Mask], patients: NDArray[np.int64], minimum: int) -> bool:
    """Whether sums over the records ``chosen`` for each task, or the difference of two of them, are of few patients.

    What a site gives for a task are the sums over its records and, with Σxy of a yes or no, those over its positive
    records and so over its negative ones. Each of these sets has to have ``minimum`` patients, and two of them, of
    whichever tasks, are either the same or differ by records of at least ``minimum`` patients.

    The rule is about pairs: it does not stop anyone from combining three and more sums. Over how many dimensions they
    may be is `choose_widths`' to say.
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


def choose_widths(
    targets: Targets,
    chosen: Mapping[str, Mask],
    patients: NDArray[np.int64],
    most: Mapping[str, int],
    per_dimension: int = PATIENTS_A_DIMENSION,
) -> dict[str, int]:
    """Over how many dimensions the sums of each task may be, at most ``most``; no entry where it is not even one.

    Every set of patients over which something is summed, and every difference of two of these sets, has at least the
    patients that its dimensions need: of the records of a task Σxxᵀ is given (`most_of_products`), of the positive and
    the negative ones Σx (`most_of_totals`). A difference of two sums is known in as many dimensions as the narrower of
    the two. Where it has too few patients for that, the later task is narrowed.
    """
    widths: dict[str, int] = {}
    for task in chosen:
        width = min(most[task], _most_alone(targets, chosen, task, patients, per_dimension))
        for earlier, wide in widths.items():
            bound = _most_apart(targets, chosen, (earlier, task), patients, per_dimension)
            if bound is not None and wide > bound:
                width = min(width, bound)
        if width > 0:
            widths[task] = width
    return widths


def _most_alone(
    targets: Targets, chosen: Mapping[str, Mask], task: str, patients: NDArray[np.int64], per_dimension: int
) -> int:
    whole, *halves = (_count(mask, patients) for mask in _summed(targets, {task: chosen[task]}))
    return min([most_of_products(whole, per_dimension), *(most_of_totals(half, per_dimension) for half in halves)])


def _most_apart(
    targets: Targets,
    chosen: Mapping[str, Mask],
    pair: tuple[str, str],
    patients: NDArray[np.int64],
    per_dimension: int,
) -> int | None:
    """In how many dimensions the differences between the sums of two tasks may be known; None where there is none."""
    first, second = (list(_summed(targets, {task: chosen[task]})) for task in pair)
    bounds = []
    for (one, left), (other, right) in product(enumerate(first), enumerate(second)):
        if apart := _count(left ^ right, patients):
            most = most_of_totals if one or other else most_of_products
            bounds.append(most(apart, per_dimension))
    return min(bounds, default=None)


def _share(chosen: dict[str, Mask], task: str, patients: NDArray[np.int64], minimum: int) -> dict[str, Mask]:
    """Narrow the records of ``task`` and of all tasks near it to those in common, until none is near any more.

    Near are those that differ by fewer than ``minimum`` patients.
    """
    while True:
        apart = {name: _count(mask ^ chosen[task], patients) for name, mask in chosen.items()}
        near = [name for name, count in apart.items() if count < minimum]
        if not any(apart[name] for name in near):
            return chosen
        shared: Mask = np.logical_and.reduce([chosen[name] for name in near])
        chosen = {**chosen, **dict.fromkeys(near, shared)}


def _count(mask: Mask, patients: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(np.bincount(patients[mask])))
