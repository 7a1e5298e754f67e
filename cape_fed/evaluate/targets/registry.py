"""The targets there are. A new one is a file next to this one and a line in `_BUILT_IN`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.targets.demographics import AGE_TARGET, SEX_TARGET
from cape_fed.evaluate.targets.labels import label_target
from cape_fed.evaluate.targets.target import REGRESSION, Target
from cape_fed.store import Store
from cape_fed.vocabulary import VOCABULARY

_BUILT_IN = (AGE_TARGET, SEX_TARGET, *map(label_target, VOCABULARY))
_TARGETS: dict[str, Target] = {}


def register_target(target: Target) -> None:
    """Add a target, which every evaluation and fine-tuning knows from now on; ValueError where its name is taken."""
    if target.name in _TARGETS:
        raise ValueError(f"there is a target '{target.name}' already: give the new one another name")
    _TARGETS[target.name] = target


for _target in _BUILT_IN:
    register_target(_target)


def registered_tasks() -> list[str]:
    """Names of all targets that are registered: age, sex, the labels of the vocabulary and what was added."""
    return list(_TARGETS)


def in_order(tasks: Iterable[str]) -> list[str]:
    """Tasks in the order in which their targets were registered, others by name after these: the same at every site."""
    places = {name: place for place, name in enumerate(_TARGETS)}
    return sorted(tasks, key=lambda task: (places.get(task, len(places)), task))


def find_target(task: str) -> Target:
    """The target that a task predicts: a registered one, else the label of that name."""
    return _TARGETS.get(task) or label_target(task)


def regression_targets() -> list[str]:
    """Names of the registered regression targets."""
    return [target.name for target in _TARGETS.values() if target.kind is REGRESSION]


def is_regression(task: str) -> bool:
    """Whether a task is predicted as a number (as age in years) or as a yes or no (sex, with female as yes; labels)."""
    return find_target(task).kind is REGRESSION


def metrics_of(task: str) -> tuple[str, str]:
    """The first and the second metric of a task."""
    return find_target(task).kind.metrics


def unit_of(task: str) -> str:
    """The unit of a regression task, empty for a yes or no."""
    return find_target(task).unit


def task_names(stores: Sequence[Store]) -> list[str]:
    """Every target that at least one store may know: age, sex and others first, then labels in the stores' order."""
    labels = dict.fromkeys(label for store in stores for label in store.label_names)
    others = [
        name
        for name, target in _TARGETS.items()
        if name not in VOCABULARY and name not in labels and any(target.known_in(store) for store in stores)
    ]
    return [*others, *labels]


def targets_of(store: Store, tasks: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Target ``[N]`` of each task, NaN where a record is not annotated."""
    return {task: find_target(task).values(store) for task in tasks}
