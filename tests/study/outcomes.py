"""Outcomes made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.study.plan import PlannedTrial
from cape_fed.study.sites import Sites
from cape_fed.study.trial import Outcome

PLANTED = {name: Sites(train=(Path(name),)) for name in ("none", "padding", "gain")}


Measured = Callable[[PlannedTrial], dict[str, float]]


def outcomes(plan: Iterable[PlannedTrial], measured: Measured) -> dict[str, Outcome]:
    """An outcome for each cell, with patients' noise of its own around what ``measured`` gives."""
    found = {}
    for planned in plan:
        rng = np.random.default_rng(int(planned.trial.name, 16) % 2**32)
        measures = {name: Sampled(value, value + rng.normal(0, 0.003, 50)) for name, value in measured(planned).items()}
        sample = rng.normal(size=(20, 4)).astype(np.float32)
        found[planned.trial.name] = Outcome(measures, sample, {"seconds": 1.0})
    return found
