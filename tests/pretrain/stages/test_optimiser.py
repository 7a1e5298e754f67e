"""The learning rate is laid out over the whole run; the optimiser is the one that was asked for."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from cape_fed.pretrain.config import TrainConfig
from cape_fed.pretrain.stages.optimiser import build_optimiser, learning_rate, set_learning_rate


def test_warm_up_then_cosine_to_nothing() -> None:
    config = TrainConfig(learning_rate=0.1, warmup=0.1)
    rates = [learning_rate(config, step, 100) for step in range(101)]
    assert rates[:10] == pytest.approx([0.01 * (step + 1) for step in range(10)])
    assert rates[10] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.05)
    assert rates[100] == pytest.approx(0)
    assert all(one > two for one, two in pairwise(rates[10:]))


def test_a_constant_schedule_stays_after_its_warm_up() -> None:
    config = TrainConfig(learning_rate=0.1, warmup=0.5, schedule="constant")
    assert [learning_rate(config, step, 4) for step in range(4)] == pytest.approx([0.05, 0.1, 0.1, 0.1])


def test_no_warm_up_begins_at_the_full_rate() -> None:
    assert learning_rate(TrainConfig(learning_rate=0.1, warmup=0), 0, 10) == pytest.approx(0.1)


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_the_optimiser_that_was_asked_for(name: str, kind: type) -> None:
    config = TrainConfig.model_validate({"optimiser": name, "weight_decay": 0.25})
    optimiser = build_optimiser(config, [nn.Parameter(torch.zeros(1))])
    assert isinstance(optimiser, kind)
    set_learning_rate(optimiser, 0.5)
    assert {(group["lr"], group["weight_decay"]) for group in optimiser.param_groups} == {(0.5, 0.25)}
