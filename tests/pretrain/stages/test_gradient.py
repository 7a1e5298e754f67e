"""The gradient of a batch depends on the seed, the name and the step; it is that of the loss written out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.config import AugmentConfig, ObjectiveConfig, PretrainConfig
from cape_fed.pretrain.feed import Pairs
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.stages.gradient import ContrastiveGradient

CPU = torch.device("cpu")
STILL = AugmentConfig(crop=1, time_mask=0, gain=0, noise_mv=0, wander_mv=0, mains_mv=0, lead_mask=0)


def batch(count: int = 6) -> Pairs:
    generator = torch.Generator().manual_seed(0)
    ecg = [torch.randint(-500, 500, (count, 12, 400), generator=generator, dtype=torch.int16) for _ in range(2)]
    valid = torch.full((count,), 400)
    return Pairs((ecg[0], valid), (ecg[1], valid), torch.arange(count), torch.arange(count) % 2)


def learner(**changes: Any) -> Learner:
    return Learner(PretrainConfig.model_validate(changes), 100, "site", CPU)


def source(one: Learner, **changes: Any) -> ContrastiveGradient:
    values: dict[str, Any] = {"objective": one.config.objective, "precision": "float32", "seed": 0, "name": "site"}
    values |= {"device": CPU, "processes": one.processes, **changes}
    return ContrastiveGradient(one.encoder, one.head, one.augmentation, **values)


def test_the_loss_is_nt_xent_of_the_two_views() -> None:
    """Without augmentation, written out: every anchor against all other views but those of its own patient."""
    one = learner()
    gradient = source(one)
    gradient.augmentation = Augmentation(STILL, 100)
    pairs = batch(3)
    views = torch.cat([pairs.first[0], pairs.second[0]]).float() / 1000
    z = torch.nn.functional.normalize(one.head(one.encoder(views, torch.full((6,), 400))), dim=1)
    total = torch.zeros(())
    for anchor in range(6):
        logits = torch.stack([z[anchor] @ z[other] / 0.1 for other in range(6) if other % 3 != anchor % 3])
        positive = z[anchor] @ z[(anchor + 3) % 6] / 0.1
        total = total + torch.logsumexp(torch.cat([positive[None], logits]), dim=0) - positive
    assert float(gradient.loss(pairs, 0).detach()) == pytest.approx(float(total.detach()) / 6, rel=1e-5)


def test_backward_leaves_the_gradient_of_the_loss_at_every_parameter() -> None:
    one = learner()
    gradient = source(one)
    expected = torch.autograd.grad(gradient.loss(batch(), 3), one.parameters())
    loss = gradient.backward(batch(), 3)
    assert not loss.requires_grad
    for parameter, value in zip(one.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, value, atol=1e-6)


@pytest.mark.parametrize(
    ("objective", "differs"),
    [
        ({}, False),
        ({"foreign_temperature": 0.1}, False),
        ({"foreign": "masked"}, True),
        ({"foreign_temperature": 1}, True),
    ],
)
def test_records_of_other_cohorts_are_what_the_objective_says(objective: dict[str, Any], differs: bool) -> None:
    """Every other pair of the batch is of the other cohort."""
    one = learner()
    plain = float(source(one).loss(batch(), 0).detach())
    changed = float(source(one, objective=ObjectiveConfig(**objective)).loss(batch(), 0).detach())
    assert (abs(changed - plain) > 1e-3) == differs
    alone = replace(batch(), cohort=torch.zeros(6, dtype=torch.int64))
    assert float(source(one, objective=ObjectiveConfig(**objective)).loss(alone, 0).detach()) == pytest.approx(plain)


def test_a_temperature_for_negatives_that_are_masked_is_refused() -> None:
    with pytest.raises(ValidationError, match="leaves no negatives"):
        ObjectiveConfig(foreign="masked", foreign_temperature=0.2)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"name": "other"}])
def test_views_depend_on_seed_name_and_step_alone(changes: dict[str, Any]) -> None:
    one = learner()
    losses = [float(source(one).loss(batch(), step).detach()) for step in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    assert float(source(one, **changes).loss(batch(), 0).detach()) != losses[0]
