"""The best linear layer on embeddings that stay as they are: a convex problem, solved and not trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from cape_fed.finetune.classifier import Classifier
from cape_fed.finetune.labelled import Labelled
from cape_fed.finetune.objective import BinaryObjective, Objective

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """Weights ``[dim]`` and bias of one task, for standardised embeddings and standardised targets."""

    weight: Array
    bias: float
    penalty: float | None
    """None where there is nothing to solve: the targets of a task are all the same."""


def solve_linear(
    classifier: Classifier,
    train: Labelled,
    valid: Labelled,
    embeddings: tuple[NDArray[np.float32], NDArray[np.float32]],
    objective: Objective,
    penalties: Sequence[float],
) -> list[float | None]:
    """Set the classifier's head to the solution of each task whose penalty does best on the validation records.

    ``embeddings`` are those ``[n, dim]`` of the records in ``train`` and of those in ``valid``; the classifier is
    already standardised by the former. Logistic regression for labels, ridge regression for numbers, both with the
    squared weights penalised by ``penalty`` times the number of records. Returns the penalty of each task.
    """
    centre, scale = classifier.centre.double().cpu().numpy(), classifier.scale.double().cpu().numpy()
    inside, outside = ((part.astype(np.float64) - centre) / scale for part in embeddings)
    layers = []
    for task in range(train.targets.shape[1]):
        target, held_out = train.targets[:, task].astype(np.float64), valid.targets[:, task].astype(np.float64)
        known, tested = np.isfinite(target), np.isfinite(held_out)
        found = _solutions(inside[known], (target[known] - objective.centre) / objective.unit, objective, penalties)
        layers.append(_choose(list(found), outside[tested], held_out[tested], objective))
    with torch.no_grad():
        classifier.head.weight.copy_(torch.from_numpy(np.stack([layer.weight for layer in layers])))
        classifier.head.bias.copy_(torch.tensor([layer.bias for layer in layers]))
    return [layer.penalty for layer in layers]


def _solutions(features: Array, target: Array, objective: Objective, penalties: Sequence[float]) -> Iterator[Layer]:
    """One solution a penalty; a constant where the targets do not vary."""
    if len(np.unique(target)) < 2:
        yield Layer(np.zeros(features.shape[1]), _constant(target, objective), None)
        return
    for penalty in penalties:
        strength = penalty * len(target)
        if isinstance(objective, BinaryObjective):
            logistic = LogisticRegression(C=1 / strength, max_iter=2000).fit(features, target)
            yield Layer(logistic.coef_[0], float(logistic.intercept_[0]), penalty)
        else:
            ridge = Ridge(alpha=strength).fit(features, target)
            yield Layer(ridge.coef_, float(ridge.intercept_), penalty)


def _constant(target: Array, objective: Objective) -> float:
    """The output for targets that are all the same: their mean, or a log odds that half a record keeps finite."""
    if not isinstance(objective, BinaryObjective):
        return float(target.mean()) if len(target) else 0.0
    positive = float(target.sum())
    return log((positive + 0.5) / (len(target) - positive + 0.5))


def _choose(layers: Sequence[Layer], features: Array, target: Array, objective: Objective) -> Layer:
    """The layer that does best on held-out records, by the score and then by the loss; the middle one without any."""
    if not len(target):
        return layers[len(layers) // 2]

    def rank(layer: Layer) -> tuple[float, float]:
        outputs = objective.centre + objective.unit * (features @ layer.weight + layer.bias)[:, None]
        score = objective.score(target[:, None], outputs)
        loss = float(objective.loss(torch.from_numpy(outputs), torch.from_numpy(target[:, None])))
        return objective.rank(score), -loss

    return max(layers, key=rank)
