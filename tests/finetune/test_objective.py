from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits

from cape_fed.finetune.objective import BinaryObjective, RegressionObjective, objective_for

NAN = float("nan")


def test_the_loss_is_over_what_is_annotated() -> None:
    logits = torch.tensor([[0.3, -2.0], [1.0, 4.0], [-0.5, 0.1]])
    target = torch.tensor([[1.0, NAN], [NAN, 0.0], [0.0, NAN]])
    by_hand = binary_cross_entropy_with_logits(torch.tensor([0.3, 4.0, -0.5]), torch.tensor([1.0, 0.0, 0.0]))
    assert BinaryObjective().loss(logits, target) == pytest.approx(by_hand.item())
    assert BinaryObjective().loss(logits, torch.full((3, 2), NAN)) == 0


def test_mean_auroc_is_over_tasks_with_both_classes() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((40, 3)) < 0.4).astype(np.float32)
    targets[rng.random((40, 3)) < 0.2] = np.nan
    targets[:, 1] = 1
    logits = rng.normal(size=(40, 3))
    expected = []
    for task in (0, 2):
        known = np.isfinite(targets[:, task])
        expected.append(roc_auc_score(targets[known, task], logits[known, task]))
    assert BinaryObjective().score(targets, logits) == pytest.approx(np.mean(expected))
    assert np.isnan(BinaryObjective().score(targets[:, 1:2], logits[:, 1:2]))


def test_years_by_hand() -> None:
    targets = np.array([[40.0], [NAN], [60.0], [80.0]], np.float32)
    objective = objective_for(["age"], targets)
    assert isinstance(objective, RegressionObjective)
    assert (objective.centre, objective.unit) == pytest.approx((60, np.sqrt(800 / 3)))
    outputs = np.array([[50.0], [10.0], [60.0], [85.0]])
    loss = objective.loss(torch.from_numpy(outputs), torch.from_numpy(targets).double())
    assert loss.item() == pytest.approx((100 + 0 + 25) / 3 / (800 / 3))
    assert objective.score(targets, outputs) == mean_absolute_error([40, 60, 80], [50, 60, 85])
    assert np.isnan(objective.score(targets[1:2], outputs[1:2]))


def test_less_error_is_worth_more_and_none_at_all_nothing() -> None:
    years = RegressionObjective()
    assert years.rank(4.0) > years.rank(5.0) > years.rank(NAN)
    assert BinaryObjective().rank(0.6) > BinaryObjective().rank(0.5) > BinaryObjective().rank(NAN)


def test_one_age_alone_has_a_unit() -> None:
    assert objective_for(["age"], np.array([[50.0], [50.0]])) == RegressionObjective(50.0, 1.0)
    assert isinstance(objective_for(["sex", "AF"], np.ones((2, 2))), BinaryObjective)
