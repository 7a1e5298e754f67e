"""A one-dimensional residual network of PCLR's shape."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cape_fed.pretrain.encoder import Encoder, EncoderConfig
from cape_fed.pretrain.norm import make_norm
from cape_fed.signal.leads import LEADS


class ResNetConfig(EncoderConfig):
    """Shape of a `ResNet`."""

    architecture: Literal["resnet"] = "resnet"
    widths: tuple[int, ...] = Field(min_length=2, description="channels of the stem and of every residual block")
    kernel: int = Field(gt=0, description="odd kernel length in samples")
    stem_stride: int = 1
    block_stride: int = 4
    groups: int = Field(default=8, description="groups of GroupNorm")

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        return self.widths[-1]

    @property
    def stride(self) -> int:
        """Number of input samples that a position of the last feature map stands for."""
        return self.stem_stride * int(self.block_stride ** (len(self.widths) - 1))


class ResidualBlock(nn.Module):
    """Ribeiro et al.'s unit: two convolutions, the second one strided, and a pooled 1 x 1 shortcut around them."""

    def __init__(self, inputs: int, outputs: int, config: ResNetConfig) -> None:
        super().__init__()
        stride, padding = config.block_stride, config.kernel // 2
        self.conv1 = nn.Conv1d(inputs, outputs, config.kernel, padding=padding, bias=False)
        self.norm1 = make_norm(config.norm, config.groups, outputs)
        self.conv2 = nn.Conv1d(outputs, outputs, config.kernel, stride=stride, padding=padding, bias=False)
        self.norm2 = make_norm(config.norm, config.groups, outputs)
        self.shortcut = nn.Sequential(nn.MaxPool1d(stride, ceil_mode=True), nn.Conv1d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, inputs, T]`` to ``[B, outputs, ceil(T / stride)]``."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(Encoder):
    """A strided stem and residual blocks, averaged over time."""

    Config = ResNetConfig
    config: ResNetConfig

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__(config)
        stem, *widths = config.widths
        self.stem = nn.Conv1d(
            len(LEADS), stem, config.kernel, stride=config.stem_stride, padding=config.kernel // 2, bias=False
        )
        self.norm = make_norm(config.norm, config.groups, stem)
        self.blocks = nn.ModuleList(
            ResidualBlock(inputs, outputs, config) for inputs, outputs in zip(config.widths, widths, strict=False)
        )

    def forward(self, ecg: Tensor, valid: Tensor | None = None) -> Tensor:
        """See `Encoder.forward`."""
        x = self.sequence(ecg)
        if valid is None:
            return x.mean(dim=-1)
        return _masked_mean(x, valid, self.config.stride)

    def sequence(self, ecg: Tensor) -> Tensor:
        """See `Encoder.sequence`."""
        x = torch.relu(self.norm(self.stem(ecg)))
        for block in self.blocks:
            x = block(x)
        return x

    def positions(self, samples: int) -> int:
        """See `Encoder.positions`: one for every ``stride`` samples or part of them."""
        return -(-samples // self.config.stride)

    def layers(self) -> list[list[nn.Parameter]]:
        """The stem with its normalisation, then each block."""
        return [
            [*self.stem.parameters(), *self.norm.parameters()],
            *(list(block.parameters()) for block in self.blocks),
        ]


def _masked_mean(x: Tensor, valid: Tensor, stride: int) -> Tensor:
    """Mean over the positions that begin inside the valid samples; at least one position counts."""
    starts = torch.arange(x.shape[-1], device=x.device) * stride
    inside = (starts[None, :] < valid.clamp(min=1)[:, None]).to(x.dtype)
    return (x * inside[:, None, :]).sum(dim=-1) / inside.sum(dim=-1, keepdim=True)
