"""From the sums of all sites to the transfer probes, and how well these do on validation records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.fit import fit_probes
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.evaluate.probes.sums import ProbeSums, add_sums

_CONSTANT = 1e-12
"""Spread of a target, relative to its sum of squares, below which it does not vary."""


def fit_transfer(sums: Sequence[Mapping[str, ProbeSums]], options: EvaluateOptions) -> dict[str, LinearProbe]:
    """The transfer probe of each task that has enough patients in the sums of all sites together."""
    return fit_probes(add_sums(sums), options)


def validation_score(sums: Sequence[Mapping[str, ProbeSums]], probes: Mapping[str, LinearProbe]) -> dict[str, float]:
    """R² of each task's probe over the validation records of all sites, a yes counting 1 and a no 0.

    Spread is that around the mean over all sites. A task without validation records, or whose target does not vary
    in them, is left out.
    """
    scores = {}
    for task, material in add_sums(sums).items():
        valid = material.valid
        square = float(valid.yy.sum())
        spread = square - float((valid.y**2).sum()) / max(valid.n, 1.0)
        if task in probes and spread > _CONSTANT * square:
            scores[task] = 1 - max(probes[task].squared_error(valid), 0.0) / spread
    return {task: score for task, score in scores.items() if math.isfinite(score)}
