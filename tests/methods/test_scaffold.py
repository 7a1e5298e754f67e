"""SCAFFOLD's messages in both directions, and what is refused in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flwr.app import RecordDict

from cape_fed.federation.tensors import array_records
from cape_fed.federation.update import Update
from cape_fed.federation.validation import RefusedError
from cape_fed.methods.base import NoOptions
from cape_fed.methods.scaffold import CONTROL, Scaffold
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.learner import Learner

PARAMETERS = {"a": torch.zeros(2, 2), "b": torch.zeros(3)}


def reply(scale: float) -> RecordDict:
    return RecordDict(array_records(CONTROL, {name: value + scale for name, value in PARAMETERS.items()}))


def test_a_reply_is_read_as_the_change_of_a_control_variate() -> None:
    changes = Scaffold(NoOptions(), PARAMETERS).read_reply(reply(2.0), longest=100.0)
    assert {name: value.tolist() for name, value in changes.items()} == {"a": [[2, 2], [2, 2]], "b": [2, 2, 2]}
    assert {value.dtype for value in changes.values()} == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (reply(1e6), "norm"),
        (reply(float("nan")), "nonfinite"),
        (RecordDict(), "malformed"),
        (RecordDict(array_records(CONTROL, {"a": torch.zeros(2, 2)})), "names"),
        (RecordDict(array_records(CONTROL, {"a": torch.zeros(2, 2), "b": torch.zeros(4)})), "shape"),
    ],
)
def test_what_cannot_be_one_is_refused(content: RecordDict, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        Scaffold(NoOptions(), PARAMETERS).read_reply(content, longest=100.0)
    assert refused.value.code == code


def test_the_coordinators_variate_reaches_the_site_and_corrects_its_gradients() -> None:
    learner = Learner(PretrainConfig(), 100, "site", torch.device("cpu"))
    parameters = {name: value.detach() for name, value in learner.encoder_parameters().items()}
    coordinator, site = Scaffold(NoOptions(), parameters), Scaffold(NoOptions(), parameters)
    ones = {name: np.ones(tuple(value.shape)) for name, value in parameters.items()}
    coordinator.conclude([Update("a", {}, 1, ones), Update("b", {}, 1, ones)], sites=4)
    kept = {name: torch.full_like(value, 0.2) for name, value in parameters.items()}
    message = RecordDict(coordinator.instructions())
    assert site.begin(learner, learner.encoder.state_dict(), kept, message) == kept
    for parameter in learner.encoder.parameters():
        parameter.grad = torch.zeros_like(parameter)
    learner.transforms[0].apply()
    for parameter in learner.encoder.parameters():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, torch.full_like(parameter, 0.5 - 0.2))
    after, sent = site.end(learner, kept)
    assert all(not value.any() for value in after.values())
    changes = coordinator.read_reply(RecordDict(sent), longest=1e9)
    assert all(np.allclose(value, -0.2) for value in changes.values())
    assert sent.keys() == Scaffold.sends


def test_a_site_refuses_a_message_without_the_variate() -> None:
    learner = Learner(PretrainConfig(), 100, "site", torch.device("cpu"))
    with pytest.raises(RefusedError):
        Scaffold(NoOptions(), {}).begin(learner, learner.encoder.state_dict(), {}, RecordDict())
