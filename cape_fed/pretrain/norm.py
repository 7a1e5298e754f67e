"""The encoder's normalisation layers, and which of its tensors belong to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from cape_fed.pretrain.config import Norm

MOMENTUM = 0.1


class BatchNorm(nn.Module):
    """Batch normalisation of ``[B, C, T]`` (Ioffe and Szegedy 2015) whose buffers are two float tensors.

    PyTorch's own also counts batches, in an integer that nobody averages, sends or needs with a fixed momentum.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the batch in training, which moves the buffers, and by the buffers in evaluation."""
        return batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, MOMENTUM, eps=1e-5
        )


def make_norm(kind: Norm, groups: int, channels: int) -> nn.Module:
    """A layer of the kind that the encoder's configuration names."""
    return nn.GroupNorm(groups, channels) if kind == "group" else BatchNorm(channels)


def norm_tensors(model: nn.Module) -> frozenset[str]:
    """Names in the state dict of all tensors of normalisation layers: scales, shifts and statistics."""
    layers = {name for name, layer in model.named_modules() if isinstance(layer, nn.GroupNorm | BatchNorm)}
    return frozenset(name for name in model.state_dict() if name.rpartition(".")[0] in layers)


def is_statistic(name: str) -> bool:
    """Whether a tensor of this name is one of `BatchNorm`'s buffers: estimated in training and not learned."""
    return name.rpartition(".")[2] in ("running_mean", "running_var")
