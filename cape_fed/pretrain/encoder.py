"""The ECG encoder: a one-dimensional residual network of PCLR's shape."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from cape_fed.pretrain.config import EncoderSize, Norm, PretrainConfig
from cape_fed.pretrain.initial import weights_from
from cape_fed.pretrain.norm import make_norm
from cape_fed.signal.leads import LEADS


class EncoderConfig(BaseModel):
    """Shape of an encoder; enough to build it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: tuple[int, ...] = Field(min_length=2, description="channels of the stem and of every residual block")
    kernel: int = Field(gt=0, description="odd kernel length in samples")
    stem_stride: int = 1
    block_stride: int = 4
    norm: Norm = "group"
    groups: int = Field(default=8, description="groups of GroupNorm")

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        return self.widths[-1]

    @property
    def stride(self) -> int:
        """Input samples a position of the last feature map stands for."""
        return self.stem_stride * int(self.block_stride ** (len(self.widths) - 1))


SIZES: dict[EncoderSize, EncoderConfig] = {
    # For 100 Hz on a CPU.
    "tiny": EncoderConfig(widths=(24, 40, 80, 160), kernel=7, stem_stride=2),
    # Ribeiro et al. 2020 as used by PCLR (Diamant et al. 2022): 64 to 320 channels, four blocks each dividing by four.
    "base": EncoderConfig(widths=(64, 128, 192, 256, 320), kernel=17),
    "large": EncoderConfig(widths=(128, 256, 384, 512, 640), kernel=17),
}


class ResidualBlock(nn.Module):
    """Ribeiro et al.'s unit: two convolutions, the second strided, beside a pooled 1 x 1 shortcut."""

    def __init__(self, inputs: int, outputs: int, config: EncoderConfig) -> None:
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


class Encoder(nn.Module):
    """Twelve leads in millivolts to one embedding a record; with GroupNorm without buffers or batch statistics."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        stem, *widths = config.widths
        self.stem = nn.Conv1d(
            len(LEADS), stem, config.kernel, stride=config.stem_stride, padding=config.kernel // 2, bias=False
        )
        self.norm = make_norm(config.norm, config.groups, stem)
        self.blocks = nn.ModuleList(
            ResidualBlock(inputs, outputs, config) for inputs, outputs in zip(config.widths, widths, strict=False)
        )

    def forward(self, ecg: Tensor, valid: Tensor | None = None) -> Tensor:
        """Embed ``[B, 12, T]`` mV; ``valid`` ``[B]`` counts the samples before the padding. Returns ``[B, dim]``."""
        x = torch.relu(self.norm(self.stem(ecg)))
        for block in self.blocks:
            x = block(x)
        if valid is None:
            return x.mean(dim=-1)
        return _masked_mean(x, valid, self.config.stride)


def _masked_mean(x: Tensor, valid: Tensor, stride: int) -> Tensor:
    """Mean over the positions that begin inside the valid samples, at least one."""
    starts = torch.arange(x.shape[-1], device=x.device) * stride
    inside = (starts[None, :] < valid.clamp(min=1)[:, None]).to(x.dtype)
    return (x * inside[:, None, :]).sum(dim=-1) / inside.sum(dim=-1, keepdim=True)


def encoder_config(config: PretrainConfig) -> EncoderConfig:
    """The encoder that a pretraining configuration asks for."""
    return SIZES[config.model].model_copy(update={"norm": config.norm})


def build_encoder(config: EncoderConfig, seed: int = 0) -> Encoder:
    """An encoder with weights drawn from ``seed`` alone.

    To be used as well where weights are loaded after it: an `Encoder` built by itself draws from PyTorch's generator,
    which another site's thread may just have seeded for weights of its own.
    """
    with weights_from(seed):
        return Encoder(config)
