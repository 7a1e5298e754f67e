"""What happens to a gradient between its computation and the optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from cape_fed.pretrain.distributed import Processes


class Transform(Protocol):
    """A change of the gradients of the parameters that it was made for."""

    def apply(self) -> None:
        """Change the gradients in place; every parameter has one."""
        ...


class ProximalPull:
    """FedProx (Li et al. 2020): the gradient of ``strength / 2`` times the squared distance from an anchor."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], anchor: Mapping[str, Tensor], strength: float) -> None:
        """``anchor`` has a tensor of the same shape for every parameter, by name."""
        self.pairs = [(parameter, anchor[name].to(parameter.device)) for name, parameter in parameters.items()]
        self.strength = strength

    def apply(self) -> None:
        """Pull every parameter towards its anchor."""
        for parameter, anchor in self.pairs:
            _gradient(parameter).add_(parameter.detach() - anchor, alpha=self.strength)


class ControlVariate:
    """SCAFFOLD (Karimireddy et al. 2020): a constant correction of every gradient, and the mean of the raw ones."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], correction: Mapping[str, Tensor]) -> None:
        """``correction`` has a tensor of the same shape for every parameter, by name."""
        self.parameters = dict(parameters)
        self.correction = {name: correction[name].to(parameter.device) for name, parameter in parameters.items()}
        self.totals = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self.steps = 0

    def apply(self) -> None:
        """Add the raw gradients to their sums, then correct them."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            gradient = _gradient(parameter)
            self.totals[name].add_(gradient)
            gradient.add_(self.correction[name])

    def mean_gradients(self) -> dict[str, Tensor]:
        """The mean raw gradient of every parameter over the steps so far, on the CPU; zeros before the first."""
        return {name: (total / max(1, self.steps)).cpu() for name, total in self.totals.items()}


class MeanOverProcesses:
    """The mean of every gradient over the processes that share a batch."""

    def __init__(self, parameters: Sequence[nn.Parameter], processes: Processes) -> None:
        self.parameters = parameters
        self.processes = processes

    def apply(self) -> None:
        """Replace every gradient by its mean."""
        self.processes.average_gradients(self.parameters)


class ClipNorm:
    """A bound on the Euclidean norm of all gradients as one vector."""

    def __init__(self, parameters: Sequence[nn.Parameter], bound: float) -> None:
        self.parameters = parameters
        self.bound = bound

    def apply(self) -> None:
        """Scale the gradients down to the bound where they exceed it."""
        nn.utils.clip_grad_norm_(self.parameters, self.bound)


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None, "a transform runs after the gradient was computed"
    return parameter.grad
