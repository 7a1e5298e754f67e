"""Sufficient statistics of a linear least-squares fit, which add up over records, cohorts and sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CHUNK = 65536


@dataclass(frozen=True)
class Moments:
    """Weighted sums over records of features x ``[D]`` and targets y ``[K]``, in float64.

    ``a + b`` are the moments of both sets of records together, ``a * c`` those of the set with every record counted
    c times. A ridge regression fitted from them equals the one fitted on the records.
    """

    n: float
    x: NDArray[np.float64]
    """Σ x, ``[D]``."""
    xx: NDArray[np.float64]
    """Σ x xᵀ, ``[D, D]``."""
    xy: NDArray[np.float64]
    """Σ x yᵀ, ``[D, K]``."""
    y: NDArray[np.float64]
    """Σ y, ``[K]``."""
    yy: NDArray[np.float64]
    """Σ y², ``[K]``."""

    @classmethod
    def of(cls, features: NDArray[np.floating], targets: NDArray[np.floating]) -> Moments:
        """Moments of ``features [n, D]`` and ``targets [n, K]`` (or ``[n]``), n = 0 allowed; all values finite."""
        targets = targets[:, None] if targets.ndim == 1 else targets
        total = cls.zero(features.shape[1], targets.shape[1])
        for start in range(0, len(features), _CHUNK):
            x = features[start : start + _CHUNK].astype(np.float64)
            y = targets[start : start + _CHUNK].astype(np.float64)
            total += cls(len(x), x.sum(0), x.T @ x, x.T @ y, y.sum(0), np.square(y).sum(0))
        return total

    @classmethod
    def zero(cls, features: int, targets: int = 1) -> Moments:
        """Moments of no record."""
        d, k = features, targets
        return cls(0.0, np.zeros(d), np.zeros((d, d)), np.zeros((d, k)), np.zeros(k), np.zeros(k))

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.n + other.n,
            self.x + other.x,
            self.xx + other.xx,
            self.xy + other.xy,
            self.y + other.y,
            self.yy + other.yy,
        )

    def __mul__(self, count: float) -> Moments:
        return Moments(
            count * self.n, count * self.x, count * self.xx, count * self.xy, count * self.y, count * self.yy
        )

    @property
    def width(self) -> int:
        """D."""
        return len(self.x)

    def first(self, width: int) -> Moments:
        """Moments of these records with only their first ``width`` features."""
        return self.columns(np.arange(width))

    def columns(self, keep: NDArray[np.intp]) -> Moments:
        """Moments of these records with only the features in ``keep``."""
        return Moments(self.n, self.x[keep], self.xx[np.ix_(keep, keep)], self.xy[keep], self.y, self.yy)

    def target(self, index: int) -> Moments:
        """Moments of these records with one target, K = 1."""
        one = slice(index, index + 1)
        return Moments(self.n, self.x, self.xx, self.xy[:, one], self.y[one], self.yy[one])


def moments_by_task(features: NDArray[np.floating], targets: Mapping[str, NDArray[np.float64]]) -> dict[str, Moments]:
    """Moments of each task over the records annotated for it, NaN being not annotated.

    Tasks annotated on the same records share the D × D sum, which is nearly all of the work.
    """
    groups: dict[bytes, list[str]] = {}
    for task, values in targets.items():
        groups.setdefault(np.packbits(np.isfinite(values)).tobytes(), []).append(task)
    moments = {}
    for tasks in groups.values():
        annotated = np.isfinite(targets[tasks[0]])
        together = Moments.of(features[annotated], np.column_stack([targets[task][annotated] for task in tasks]))
        moments.update({task: together.target(index) for index, task in enumerate(tasks)})
    return {task: moments[task] for task in targets}
