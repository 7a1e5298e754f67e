"""What every ECG encoder is, whatever its architecture."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from cape_fed.errors import InputError
from cape_fed.pretrain.config import Norm


class EncoderConfig(BaseModel):
    """The shape of an encoder; it is enough to build the encoder again, and a bundle holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    """Name under which the architecture is registered."""
    norm: Norm = "group"

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        raise NotImplementedError


class Encoder(nn.Module):
    """Twelve leads in millivolts to one embedding a record; with GroupNorm without buffers or batch statistics."""

    Config: ClassVar[type[EncoderConfig]]
    """Class of the configuration that the encoder is built from."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(self, ecg: Tensor, valid: Tensor | None = None) -> Tensor:
        """Embed ``[B, 12, T]`` mV; ``valid`` ``[B]`` counts the samples before the padding. Returns ``[B, dim]``."""

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device

    def sequence(self, ecg: Tensor) -> Tensor:
        """Features before pooling: ``[B, 12, T]`` mV to ``[B, dim, positions(T)]``.

        Raises InputError where the architecture has none, as it is unless a class says otherwise.
        """
        raise InputError(f"an encoder of architecture '{self.config.architecture}' has no sequence of features")

    def positions(self, samples: int) -> int:
        """Positions of `sequence` for ``samples`` samples; InputError likewise."""
        raise InputError(f"an encoder of architecture '{self.config.architecture}' has no sequence of features")

    @abstractmethod
    def layers(self) -> list[list[nn.Parameter]]:
        """All parameters in layers from the input up, for learning rates that differ by layer."""
