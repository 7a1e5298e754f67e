"""Every transform changes gradients by what is written out here by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cape_fed.pretrain.distributed import Processes
from cape_fed.pretrain.stages.transforms import ClipNorm, ControlVariate, MeanOverProcesses, ProximalPull


@pytest.fixture
def parameters() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    made = {name: nn.Parameter(torch.randn(2, 3, generator=generator)) for name in ("one", "two")}
    for parameter in made.values():
        parameter.grad = torch.randn(2, 3, generator=generator)
    return made


def gradients(parameters: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in parameters.items() if parameter.grad is not None}


def test_the_proximal_pull_is_the_gradient_of_the_penalty(parameters: dict[str, nn.Parameter]) -> None:
    anchor = {name: parameter.detach() + 0.1 for name, parameter in parameters.items()}
    before = gradients(parameters)
    penalty = sum(((parameter - anchor[name]) ** 2).sum() for name, parameter in parameters.items()) * 0.5 / 2
    expected = torch.autograd.grad(penalty, list(parameters.values()))  # type: ignore[arg-type]
    ProximalPull(parameters, anchor, 0.5).apply()
    for (name, after), pull in zip(gradients(parameters).items(), expected, strict=True):
        assert torch.allclose(after, before[name] + pull, atol=1e-6)


def test_a_control_variate_corrects_and_keeps_the_mean_of_the_raw_gradients(
    parameters: dict[str, nn.Parameter],
) -> None:
    correction = {name: torch.full((2, 3), 2.0) for name in parameters}
    variate = ControlVariate(parameters, correction)
    assert all(not value.any() for value in variate.mean_gradients().values())
    first = gradients(parameters)
    variate.apply()
    for name, after in gradients(parameters).items():
        assert torch.equal(after, first[name] + 2)
    for parameter in parameters.values():
        parameter.grad = torch.ones(2, 3)
    variate.apply()
    for name, mean in variate.mean_gradients().items():
        assert torch.allclose(mean, (first[name] + 1) / 2)


def test_clipping_bounds_the_norm_over_all_parameters(parameters: dict[str, nn.Parameter]) -> None:
    before = gradients(parameters)
    norm = torch.cat([value.flatten() for value in before.values()]).norm()
    ClipNorm(list(parameters.values()), float(norm) / 4).apply()
    for name, after in gradients(parameters).items():
        assert torch.allclose(after, before[name] / 4, rtol=1e-4)
    unchanged = gradients(parameters)
    ClipNorm(list(parameters.values()), 1e6).apply()
    assert all(torch.equal(value, unchanged[name]) for name, value in gradients(parameters).items())


def test_one_process_has_nothing_to_average(parameters: dict[str, nn.Parameter]) -> None:
    before = gradients(parameters)
    MeanOverProcesses(list(parameters.values()), Processes()).apply()
    assert all(torch.equal(value, before[name]) for name, value in gradients(parameters).items())


def test_a_transform_before_the_gradient_is_a_bug(parameters: dict[str, nn.Parameter]) -> None:
    parameters["one"].grad = None
    with pytest.raises(AssertionError, match="after the gradient"):
        ProximalPull(parameters, {name: p.detach() for name, p in parameters.items()}, 1.0).apply()
