"""Labels as targets: the yes-or-no columns of a store."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.targets.target import BINARY, Target
from cape_fed.store import Store


def label_target(name: str) -> Target:
    """The target that a store's label column of this name is."""
    return Target(name, BINARY, partial(_column, name=name), known_in=partial(_annotates, name=name))


def _column(store: Store, name: str) -> NDArray[np.float32]:
    return store.label(name)


def _annotates(store: Store, name: str) -> bool:
    return name in store.label_names
