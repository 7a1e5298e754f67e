"""Whether numbers of a site could be those of the records that it said it has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cape_fed.evaluate.cohorts import ProbeKind
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.evaluate.results import Cell, Estimate
from cape_fed.evaluate.targets.registry import is_regression, metrics_of
from cape_fed.evaluate.targets.support import Support

_ROUNDING = 1e-9
"""By how much, relative to its size, a sum may be off."""
_SMALLEST = float(np.finfo(np.float32).smallest_subnormal) ** 2
"""The square of the smallest feature there is: without it, weights have no bound."""
_RANGES = {"auroc": (0.0, 1.0), "auprc": (0.0, 1.0), "mae": (0.0, np.inf), "r2": (-np.inf, 1.0)}


class Size(NamedTuple):
    """How much a site, or one of its cohorts, said it has."""

    records: int
    patients: int


def check_material(task: str, material: ProbeSums, size: Size) -> None:
    """Raise ValueError where no ``size`` records could give such sums and such supports."""
    train, valid = material.train, material.valid
    _check_side(task, train, material.support, size)
    if valid.n or material.valid_support.n:
        _check_side(task, valid, material.valid_support, size)
    if valid.width > train.width:
        raise ValueError("validation sums are over more dimensions than those of train")
    if train.n + valid.n > size.records or material.support.patients + material.valid_support.patients > size.patients:
        raise ValueError("more records or patients than the site has")


def _check_side(task: str, sums: Moments, support: Support, size: Size) -> None:
    _check_moments(task, sums)
    if not 0 < sums.n == support.n:
        raise ValueError("the records are not those of the support")
    _check_support(support, size)
    if not is_regression(task) and support.n_pos != sums.y[0]:
        raise ValueError("the support does not have the positive records of the sums")


def check_cell(cell: Cell, cohort: str, task: str, probe: ProbeKind, size: Size) -> None:
    """Raise ValueError where a cell is not of this place, or no ``size`` records could give it."""
    first, second = metrics_of(task)
    if (cell.cohort, cell.probe, cell.metric) != (cohort, probe, first):
        raise ValueError("a cell is of another cohort, probe or metric")
    if cell.reason is not None:
        if cell != Cell(metric=first, cohort=cohort, probe=probe, reason=cell.reason):
            raise ValueError("a cell without a number has numbers")
        return
    if cell.point is None or cell.n is None or cell.patients is None:
        raise ValueError("a cell has neither a number nor a reason")
    if not 0 < cell.patients <= min(cell.n, size.patients) or cell.n > size.records:
        raise ValueError("a cell counts more than the cohort has")
    if cell.n_pos is not None if is_regression(task) else not 0 < (cell.n_pos or 0) < cell.n:
        raise ValueError("a cell's positive records are not some of its records")
    _check_estimate(cell)
    if cell.second is not None:
        if cell.second.metric != second:
            raise ValueError("a cell's second metric is another one")
        _check_estimate(cell.second)


def _check_moments(task: str, sums: Moments) -> None:
    square = np.diag(sums.xx)
    # Cauchy and Schwarz, for n, Σ x², Σ y² and the sums between them.
    pairs = (
        (sums.x, sums.n * square),
        (sums.y, sums.n * sums.yy),
        (sums.xy, np.outer(square, sums.yy)),
        (sums.xx, np.outer(square, square)),
    )
    if sums.n != int(sums.n) or min(sums.n, square.min(), sums.yy.min()) < 0:
        raise ValueError("a count or a sum of squares is negative or a fraction")
    if ((square > 0) & (square < _SMALLEST)).any():
        raise ValueError("a sum of squares is smaller than features are")
    if any((between**2 > bound * (1 + _ROUNDING)).any() for between, bound in pairs):
        raise ValueError("sums of products are larger than those of squares allow")
    positive = sums.y[0]
    if not is_regression(task) and (positive != sums.yy[0] or positive != int(positive) or not 0 <= positive <= sums.n):
        raise ValueError("the targets are not yes or no")


def _check_support(support: Support, size: Size) -> None:
    positive, negative = support.patients_pos, support.patients_neg
    consistent = (
        support.n_pos <= support.n
        and positive <= support.n_pos
        and negative <= support.n - support.n_pos
        and max(positive, negative) <= support.patients <= positive + negative
    )
    if not consistent or support.patients > size.patients:
        raise ValueError("the support's counts do not go together")


def _check_estimate(estimate: Estimate) -> None:
    least, most = _RANGES[estimate.metric]
    given = [value for value in (estimate.low, estimate.high, estimate.point) if value is not None]
    if any(not least <= value <= most + _ROUNDING for value in given):
        raise ValueError(f"{estimate.metric} is out of its range")
    if (estimate.low is None) != (estimate.high is None) or (estimate.point is None and given):
        raise ValueError("an interval lacks an end or a number")
    if estimate.low is not None and estimate.high is not None and estimate.low > estimate.high:
        raise ValueError("an interval ends before it begins")
