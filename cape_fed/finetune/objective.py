"""What a classifier is trained for: a yes or no for each label, or a number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from cape_fed.evaluate.statistics.metrics import HIGHER_IS_BETTER, ranking_metrics
from cape_fed.evaluate.targets.registry import is_regression

Targets = NDArray[Any]
Outputs = NDArray[np.float64]


@dataclass(frozen=True)
class Objective(ABC):
    """Outputs are in the unit of the targets: ``centre + unit * head``, the head beginning at zero."""

    centre: float = 0.0
    unit: float = 1.0

    metric: ClassVar[Literal["auroc", "mae"]]
    """By which the validation patients choose."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over the entries of ``[n, tasks]`` that are annotated; 0 where none is."""
        known = torch.isfinite(targets)
        losses = self._losses(outputs, targets.nan_to_num())
        return (losses * known).sum() / known.sum().clamp(min=1)

    @abstractmethod
    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of every entry ``[n, tasks]``."""

    @abstractmethod
    def score(self, targets: Targets, outputs: Outputs) -> float:
        """Metric of ``[n, tasks]``, mean over the tasks for which it is defined; NaN where it is for none."""

    def rank(self, score: float) -> float:
        """The score turned so that higher is better; the lowest there is where the score is not defined."""
        return (score if HIGHER_IS_BETTER[self.metric] else -score) if isfinite(score) else -inf


class BinaryObjective(Objective):
    """Outputs are logits; the loss is binary cross-entropy."""

    metric = "auroc"

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(outputs, targets, reduction="none")

    def score(self, targets: Targets, outputs: Outputs) -> float:
        """Mean AUROC over the tasks that have both classes."""
        found = []
        for target, output in zip(targets.T.astype(np.float64), outputs.T, strict=True):
            known = np.isfinite(target)
            records = np.arange(known.sum())
            metrics = ranking_metrics(target[known], output[known], records, np.ones((len(records), 1)))
            found.append(metrics["auroc"][0])
        defined: Sequence[float] = [value for value in found if isfinite(value)]
        return float(np.mean(defined)) if defined else float("nan")


class RegressionObjective(Objective):
    """Outputs are in the target's unit; the loss is the squared error relative to the spread of the train targets.

    Targets are so standardised that the learning rates of labels suit them as well.
    """

    metric = "mae"

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return ((outputs - targets) / self.unit).square()

    def score(self, targets: Targets, outputs: Outputs) -> float:
        """Mean absolute error in the target's unit."""
        known = np.isfinite(targets)
        return float(np.abs(outputs - targets)[known].mean()) if known.any() else float("nan")


def objective_for(tasks: Sequence[str], targets: Targets) -> Objective:
    """The objective for ``targets`` ``[n, tasks]`` of the train records: one regression, or yes-or-no tasks."""
    if not is_regression(tasks[0]):
        return BinaryObjective()
    known = targets[np.isfinite(targets)].astype(np.float64)
    return RegressionObjective(float(known.mean()), float(known.std()) or 1.0)
