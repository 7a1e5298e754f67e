"""From the sums of all sites to the transfer probes, and how well these do on validation records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cape_fed.evaluate.federated.dimensions import projection
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.ridge import LinearProbe, choose_ridge, fit_ridge
from cape_fed.evaluate.probes.sums import ProbeSums

_CONSTANT = 1e-12
"""Spread of a target, relative to its sum of squares, below which it does not vary."""
MOST = 0.9
"""Share of the patients that can contribute in the dimensions that are chosen."""


@dataclass(frozen=True)
class Joined:
    """The sums of one task over the sites, in dimensions that most of its patients' sites give."""

    sums: ProbeSums
    left_out: list[str] = field(default_factory=list)
    """Sites that give the task's sums in fewer dimensions only."""


def join_sums(sites: Mapping[str, Mapping[str, ProbeSums]]) -> dict[str, Joined]:
    """Add up the sums of all sites by task, none of which needs to have every task.

    Sites give the sums of a task over different numbers of the same dimensions, of which each task gets as many as
    sites with nine tenths of its patients give; the others are left out. Validation sums have dimensions of their own.
    """
    tasks = dict.fromkeys(task for sums in sites.values() for task in sums)
    return {task: _join(task, {name: sums[task] for name, sums in sites.items() if task in sums}) for task in tasks}


def _join(task: str, sites: Mapping[str, ProbeSums]) -> Joined:
    train = most_dimensions({name: (sums.train.width, sums.support.strength(task)) for name, sums in sites.items()})
    kept = {name: sums for name, sums in sites.items() if sums.train.width >= train}
    validated = {name: sums for name, sums in kept.items() if sums.valid.n}
    valid = most_dimensions(
        {name: (min(train, sums.valid.width), sums.valid_support.strength(task)) for name, sums in validated.items()}
    )
    narrowed = [
        sums.first(train, valid if name in validated and sums.valid.width >= valid else 0)
        for name, sums in kept.items()
    ]
    total = narrowed[0]
    for sums in narrowed[1:]:
        total = _add(total, sums)
    return Joined(total, sorted(sites.keys() - kept.keys()))


def _add(one: ProbeSums, other: ProbeSums) -> ProbeSums:
    """Sums of both, of which one may have no validation records and so another width of nothing."""
    if bool(one.valid.n) == bool(other.valid.n):
        return one + other
    valid = one.valid if one.valid.n else other.valid
    nothing = replace(one, valid=Moments.zero(valid.width)), replace(other, valid=Moments.zero(valid.width))
    return replace(nothing[0] + nothing[1], valid=valid)


def most_dimensions(sites: Mapping[str, tuple[int, int]]) -> int:
    """The most dimensions that sites with `MOST` of the patients have; 0 for no site.

    ``sites`` are the dimensions of each and its patients.
    """
    total = sum(patients for _, patients in sites.values())
    widths = sorted({width for width, _ in sites.values()}, reverse=True)
    for width in widths:
        if sum(patients for wide, patients in sites.values() if wide >= width) >= MOST * total:
            return width
    return 0


def fit_transfer(joined: Mapping[str, Joined], options: EvaluateOptions) -> dict[str, LinearProbe]:
    """The transfer probe of each task that has enough patients in the sums of all sites, on the dimensions summed."""
    return {
        task: choose_ridge(entry.sums.train, entry.sums.valid, options.penalties)
        for task, entry in joined.items()
        if entry.sums.support.enough(task, options.min_patients)
    }


def lift(probes: Mapping[str, LinearProbe], width: int, options: EvaluateOptions, seed: int) -> dict[str, LinearProbe]:
    """Probes on summed dimensions as probes on the whole embeddings of ``width`` that these were projected from."""
    assert options.dimensions is not None
    columns = projection(width, options.dimensions, seed)
    return {
        task: replace(probe, weights=columns[:, : len(probe.weights)] @ probe.weights) for task, probe in probes.items()
    }


def validation_score(joined: Mapping[str, Joined], probes: Mapping[str, LinearProbe]) -> dict[str, float]:
    """R² of each task's probe over the validation records of all sites, a yes counting 1 and a no 0.

    The probe is the one on the dimensions of the validation sums. Spread is that around the mean over all sites. A task
    without validation records, or whose target does not vary in them, is left out.
    """
    scores = {}
    for task in joined.keys() & probes.keys():
        train, valid = joined[task].sums.train, joined[task].sums.valid
        square = float(valid.yy.sum())
        spread = square - float((valid.y**2).sum()) / max(valid.n, 1.0)
        if spread > _CONSTANT * square:
            probe = probes[task]
            if valid.width < train.width:
                (probe,) = fit_ridge(train.first(valid.width), [probe.penalty])
            scores[task] = 1 - max(probe.squared_error(valid), 0.0) / spread
    return {task: scores[task] for task in joined if task in scores and math.isfinite(scores[task])}
