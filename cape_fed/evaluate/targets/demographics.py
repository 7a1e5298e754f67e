"""Age and sex as targets."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from cape_fed.evaluate.targets.target import BINARY, REGRESSION, Target
from cape_fed.store import Store

AGE, SEX = "age", "sex"


def _column(store: Store, name: str) -> NDArray[np.float32]:
    return store.label(name)


AGE_TARGET = Target(
    AGE, REGRESSION, partial(_column, name=AGE), unit="years", own_groupings=("age", "sex and age")
)  # fmt: skip
SEX_TARGET = Target(SEX, BINARY, partial(_column, name=SEX), own_groupings=("sex", "sex and age"))
"""Female is the yes."""
