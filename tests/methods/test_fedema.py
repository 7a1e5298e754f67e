"""FedEMA's moving average by hand."""

from __future__ import annotations

import pytest
import torch
from flwr.app import RecordDict

from cape_fed.methods.fedema import SCALE, FedEMA, Options
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.learner import Learner

NOTHING = RecordDict()


def test_the_first_share_is_tau_and_later_ones_follow_the_distance() -> None:
    learner = Learner(PretrainConfig(), 100, "site", torch.device("cpu"))
    received = {name: value.clone() for name, value in learner.encoder.state_dict().items()}
    method = FedEMA(Options(ema_tau=0.25), {})
    assert method.begin(learner, received, {}, NOTHING) == {}
    own = {name: value + 0.5 for name, value in received.items()}
    kept = method.begin(learner, received, own, NOTHING)
    for name, value in learner.encoder.state_dict().items():
        assert torch.allclose(value, received[name] + 0.25 * 0.5, atol=1e-6)
    distance = float(torch.cat([(own[name] - value).flatten() for name, value in received.items()]).norm())
    assert float(kept[SCALE]) == pytest.approx(0.25 / distance)
    nearer = {name: value + 0.1 for name, value in received.items()} | {SCALE: kept[SCALE]}
    method.begin(learner, received, nearer, NOTHING)
    for name, value in learner.encoder.state_dict().items():
        assert torch.allclose(value, received[name] + 0.05 * 0.1, atol=1e-6)
    farther = {name: value + 5 for name, value in received.items()} | {SCALE: kept[SCALE]}
    method.begin(learner, received, farther, NOTHING)
    for name, value in learner.encoder.state_dict().items():
        assert torch.allclose(value, farther[name], atol=1e-5)


def test_what_is_kept_is_the_encoder_and_the_scale() -> None:
    learner = Learner(PretrainConfig(), 100, "site", torch.device("cpu"))
    method = FedEMA(Options(), {})
    kept, sent = method.end(learner, {SCALE: torch.tensor(2.0)})
    assert kept.keys() == {*learner.encoder.state_dict(), SCALE}
    assert sent == {}
