"""What a federated method keeps at a site between rounds, and where that makes local steps begin and lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from cape_fed.federation.messages import Task
from cape_fed.federation.tensors import CONTROL, array_records
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.norm import norm_tensors

Own = dict[str, Tensor]
"""Tensors that stay at the site: of its encoder, its control variate, or the scale of its moving average."""

SCALE = "scale"


def personal(task: Task, received: Mapping[str, Tensor], own: Own) -> dict[str, Tensor]:
    """The encoder as this site uses it: under FedBN (Li et al. 2021) with the site's own normalisation layers."""
    return {**received, **own} if task.method == "fedbn" else dict(received)


def begin(task: Task, received: Mapping[str, Tensor], own: Own, control: Mapping[str, Tensor], learner: Learner) -> Own:
    """Put the learner where the round's local steps begin; returns what the site keeps, with what it got in the round.

    FedEMA (Zhuang et al. 2022) begins between the site's last encoder and the received one: the share of its own is
    the distance between the two times a scale, 1 at the most; the scale is fixed when both are first there, so that
    the share is then ``ema_tau``. SCAFFOLD (Karimireddy et al. 2020) corrects every gradient by the difference of the
    coordinator's ``control`` and the site's own.
    """
    start = personal(task, received, own)
    if task.method == "fedema" and own:
        distance = _distance(own, received)
        own = {**own, SCALE: own.get(SCALE, torch.tensor(task.ema_tau / max(distance, 1e-12)))}
        share = min(float(own[SCALE]) * distance, 1.0)
        start = {name: share * own[name] + (1 - share) * value for name, value in received.items()}
    learner.encoder.load_state_dict(start)
    learner.hold_to(received, task.proximal_mu)
    correction = None
    if task.method == "scaffold":
        correction = {name: value - own.get(name, torch.zeros_like(value)) for name, value in control.items()}
    learner.correct_by(correction)
    return own


def end(task: Task, own: Own, learner: Learner) -> tuple[Own, dict[str, Any]]:
    """What the site keeps for its next round, and records for the coordinator beside its encoder.

    A control variate becomes the mean raw gradient of the local steps: under plain SGD at a constant rate that is the
    paper's option II, and it has a meaning under any optimiser.
    """
    if task.method == "fedbn":
        return _copies(learner, norm_tensors(learner.encoder)), {}
    if task.method == "fedema":
        scale = {SCALE: own[SCALE]} if SCALE in own else {}
        return _copies(learner, learner.encoder.state_dict()) | scale, {}
    if task.method == "scaffold":
        after = learner.mean_gradients()
        change = {name: value - own.get(name, torch.zeros_like(value)) for name, value in after.items()}
        return after, dict(array_records(CONTROL, change))
    return {}, {}


def _copies(learner: Learner, names: Iterable[str]) -> Own:
    """The named tensors of the encoder, which goes on training."""
    encoder = learner.encoder.state_dict()
    return {name: encoder[name].detach().cpu().clone() for name in names}


def _distance(own: Own, received: Mapping[str, Tensor]) -> float:
    squares = (float((value.double() - own[name].double()).square().sum()) for name, value in received.items())
    return float(sum(squares) ** 0.5)
