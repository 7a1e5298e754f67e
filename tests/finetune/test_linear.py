"""The layer is where the penalised loss has no slope, and the validation records choose the penalty."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cape_fed.finetune.classifier import Classifier
from cape_fed.finetune.labelled import Labelled
from cape_fed.finetune.linear import solve_linear
from cape_fed.finetune.objective import BinaryObjective, Objective, RegressionObjective
from cape_fed.pretrain.encoders import build_encoder
from tests.finetune.conftest import SMALL

DIM = SMALL.widths[-1]
PENALTIES = (1e-3, 1e-1, 10.0)


def records(targets: np.ndarray) -> Labelled:
    """Records of which only the targets ``[n, tasks]`` matter here."""
    rows = np.arange(len(targets))
    return Labelled([], np.zeros_like(rows), rows, targets.astype(np.float32))


def embeddings(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(2, 3, (count, DIM)).astype(np.float32)


def standardised(features: np.ndarray, tasks: int, objective: Objective) -> Classifier:
    classifier = Classifier(build_encoder(SMALL, 0), tasks)
    classifier.standardise(torch.from_numpy(features))
    classifier.aim(objective.centre, objective.unit)
    return classifier


def solve(
    train: np.ndarray, valid: np.ndarray, objective: Objective | None = None, penalties: tuple[float, ...] = PENALTIES
) -> tuple[Classifier, list[float | None], np.ndarray]:
    """The classifier, the penalties chosen and the standardised train features."""
    objective = objective or BinaryObjective()
    parts = embeddings(len(train), 0), embeddings(len(valid), 1)
    classifier = standardised(parts[0], train.shape[1], objective)
    chosen = solve_linear(classifier, records(train), records(valid), parts, objective, penalties)
    return classifier, chosen, (parts[0] - classifier.centre.numpy()) / classifier.scale.numpy()


def labels(features: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """``[n, 1]``: mostly whether the first feature is above its mean."""
    return (features[:, :1] - 2 + noise * np.random.default_rng(seed).normal(0, 3, (len(features), 1)) > 0).astype(
        float
    )


@pytest.mark.parametrize("penalty", PENALTIES)
def test_logistic_regression_has_no_slope_left(penalty: float) -> None:
    target = labels(embeddings(80, 0), 1.0, 2)
    classifier, chosen, features = solve(target, target[:20], penalties=(penalty,))
    assert chosen == [penalty]
    weight = classifier.head.weight.detach().double().numpy()[0]
    residual = 1 / (1 + np.exp(-(features @ weight + classifier.head.bias.item()))) - target[:, 0]
    assert np.abs(features.T @ residual / len(target) + penalty * weight).max() < 1e-3
    assert abs(residual.mean()) < 1e-3


def test_ridge_regression_has_no_slope_left() -> None:
    years = 60 + 4 * embeddings(80, 0)[:, :1] + np.random.default_rng(2).normal(0, 5, (80, 1))
    objective = RegressionObjective(float(years.mean()), float(years.std()))
    classifier, _, features = solve(years, years[:20], objective, penalties=(0.1,))
    weight = classifier.head.weight.detach().double().numpy()[0]
    residual = features @ weight + classifier.head.bias.item() - (years[:, 0] - objective.centre) / objective.unit
    assert np.abs(features.T @ residual / len(years) + 0.1 * weight).max() < 1e-4
    outputs = classifier.outputs(torch.from_numpy(embeddings(80, 0))).detach().numpy()
    assert np.abs(outputs - years).mean() < years.std()


def test_validation_records_choose_the_penalty_of_each_task() -> None:
    """The first task can be learnt from; the second is noise, for which no weight is the best weight."""
    train, held_out = embeddings(60, 0), embeddings(400, 1)
    rng = np.random.default_rng(5)
    noise = [rng.integers(0, 2, (len(part), 1)).astype(float) for part in (train, held_out)]
    targets = [np.hstack([labels(part, 0.1, 3), random]) for part, random in zip((train, held_out), noise, strict=True)]
    _, together, _ = solve(*targets)
    alone = [solve(targets[0][:, [task]], targets[1][:, [task]])[1][0] for task in range(2)]
    assert together == alone
    scores = {}
    for penalty in PENALTIES:
        classifier, _, _ = solve(targets[0][:, :1], targets[1][:, :1], penalties=(penalty,))
        outputs = classifier.outputs(torch.from_numpy(held_out)).detach().double().numpy()
        scores[penalty] = BinaryObjective().score(targets[1][:, :1], outputs)
    assert scores[float(together[0] or 0)] == max(scores.values())


def test_a_task_with_one_class_gets_a_constant() -> None:
    train = np.hstack([labels(embeddings(40, 0), 0.1, 3), np.zeros((40, 1))])
    train[:30, 1] = np.nan
    classifier, chosen, _ = solve(train, train)
    assert chosen[1] is None
    assert torch.equal(classifier.head.weight[1], torch.zeros(DIM))
    assert classifier.head.bias[1].item() == pytest.approx(np.log(0.5 / 10.5))


def test_without_validation_records_the_middle_penalty_is_taken() -> None:
    target = labels(embeddings(40, 0), 0.1, 3)
    assert solve(target, np.full((10, 1), np.nan))[1] == [PENALTIES[1]]


def test_what_is_not_annotated_takes_no_part() -> None:
    target = labels(embeddings(80, 0), 0.5, 3)
    target[40:] = np.nan
    features = embeddings(80, 0)
    objective = BinaryObjective()
    one, other = (standardised(features, 1, objective) for _ in range(2))
    solve_linear(one, records(target), records(target), (features, features), objective, PENALTIES)
    part = records(target[:40])
    solve_linear(other, part, part, (features[:40], features[:40]), objective, PENALTIES)
    assert torch.allclose(one.head.weight, other.head.weight, atol=1e-3)
