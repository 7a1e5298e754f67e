"""SCAFFOLD's messages in both directions, and what is refused in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flwr.app import RecordDict

from cape_fed.coordinator.aggregation import Aggregator
from cape_fed.federation.tensors import array_records
from cape_fed.federation.update import Update
from cape_fed.federation.validation import RefusedError
from cape_fed.methods.base import Kept, NoOptions
from cape_fed.methods.scaffold import CONTROL, COUNTED, Scaffold
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.stages.transforms import ControlVariate

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
    changes = coordinator.read_reply(RecordDict(sent), longest=1e9)
    for number, (share, expected) in enumerate([(1.0, 0.0), (0.25, 0.15)]):  # of -0.2, from 0.2 on
        coordinator.conclude([Update(str(number), {}, 1, changes, share)], sites=4)
        again = site.begin(learner, learner.encoder.state_dict(), after, RecordDict(coordinator.instructions()))
        assert again.keys() == parameters.keys()
        assert all(torch.allclose(value, torch.full_like(value, expected), atol=1e-6) for value in again.values())
        coordinator.counted.clear()
    again = site.begin(learner, learner.encoder.state_dict(), after, RecordDict(coordinator.instructions()))
    assert all(torch.allclose(value, kept[name]) for name, value in again.items())
    assert all(np.allclose(value, -0.2) for value in changes.values())
    assert sent.keys() == Scaffold.sends


def test_a_site_refuses_a_message_without_the_variate_or_without_what_counted() -> None:
    learner = Learner(PretrainConfig(), 100, "site", torch.device("cpu"))
    parameters = {name: value.detach() for name, value in learner.encoder_parameters().items()}
    whole = Scaffold(NoOptions(), parameters).instructions()
    for missing in (CONTROL, COUNTED):
        content = RecordDict({name: record for name, record in whole.items() if name != missing})
        with pytest.raises(RefusedError):
            Scaffold(NoOptions(), parameters).begin(learner, learner.encoder.state_dict(), {}, content)


TARGETS = {"a": (0.0, 1.0), "b": (1.0, 0.0), "c": (30.0, -20.0)}
"""Where the optimum of each site lies: the gradient of c is by far the longest."""


class Hill:
    """A learner of two numbers whose loss is half the squared distance from a target."""

    def __init__(self, target: tuple[float, float]) -> None:
        self.encoder = torch.nn.ParameterDict({"w": torch.zeros(2)})
        self.transforms: tuple[ControlVariate, ...] = ()
        self.target = torch.tensor(target)

    def encoder_parameters(self) -> dict[str, torch.nn.Parameter]:
        return dict(self.encoder.named_parameters())

    def descend(self, steps: int) -> None:
        weights = self.encoder["w"]
        for _ in range(steps):
            weights.grad = weights.detach() - self.target
            self.transforms[0].apply()
            weights.data -= 0.1 * weights.grad


def federate(lost: set[tuple[int, str]], *, clip: bool) -> tuple[torch.Tensor, Scaffold, dict[str, Kept]]:
    """Where SCAFFOLD ends when the replies in ``lost`` never arrive, and what the coordinator and the sites keep."""
    encoder = {"w": torch.zeros(2)}
    coordinator = Scaffold(NoOptions(), encoder)
    aggregator = Aggregator(coordinator, clip=clip)
    kept: dict[str, Kept] = {name: {} for name in TARGETS}
    for number in range(40):
        message, updates = RecordDict(coordinator.instructions()), []
        for name, target in TARGETS.items():
            learner, site = Hill(target), Scaffold(NoOptions(), encoder)
            begun = site.begin(learner, encoder, kept[name], message)  # type: ignore[arg-type]
            learner.descend(5)
            kept[name], sent = site.end(learner, begun)  # type: ignore[arg-type]
            extra = coordinator.read_reply(RecordDict(sent), longest=1e9)
            change = (learner.encoder["w"].detach() - encoder["w"]).double().numpy()
            if (number, name) not in lost:
                updates.append(Update(name, {"w": change}, 10, extra))
        encoder = aggregator.aggregate(number, encoder, updates, len(TARGETS))
    return encoder["w"], coordinator, kept


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("lost", [set(), {(0, "a"), (3, "c"), (39, "b")}, {(number, "c") for number in range(10)}])
def test_the_corrections_of_all_sites_cancel_out_whatever_was_lost_or_clipped(
    lost: set[tuple[int, str]], clip: bool
) -> None:
    """Else all sites would be off by what is missing from then on, and end somewhere else."""
    weights, coordinator, kept = federate(lost, clip=clip)
    message, encoder = RecordDict(coordinator.instructions()), {"w": weights}
    own = [
        Scaffold(NoOptions(), encoder).begin(Hill(TARGETS[name]), encoder, kept[name], message)["w"].numpy()  # type: ignore[arg-type]
        for name in TARGETS
    ]
    assert np.allclose(np.mean(own, axis=0), coordinator.control["w"], atol=1e-4)
    again = Scaffold(NoOptions(), encoder)
    again.load_state(coordinator.state())
    assert again.instructions() == coordinator.instructions()
    if not clip:
        assert torch.allclose(weights, torch.tensor(list(TARGETS.values())).mean(0), atol=0.01)
