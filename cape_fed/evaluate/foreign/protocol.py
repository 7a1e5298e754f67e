"""What an encoder of somebody else's has to offer to be evaluated, and to be fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn


@runtime_checkable
class ForeignEncoder(Protocol):
    """What the factory of ``encoder=package.module:factory``, called without arguments, returns.

    Weights, their device, normalisation and resampling are its own business.
    """

    def embed(self, ecg_mv: NDArray[np.float32], fs: float, leads: Sequence[str]) -> ArrayLike:
        """Embeddings ``[B, D]`` of recordings ``[B, 12, n]`` in mV, sampled at ``fs`` Hz.

        ``leads`` names the rows: I II III aVR aVL aVF V1–V6. All recordings of a call have one length, without padding.
        Leads and samples that were missing are 0. D is the same in every call, and every number is finite.
        """


@runtime_checkable
class TrainableEncoder(ForeignEncoder, Protocol):
    """A foreign encoder that can be trained further, which all modes of fine-tuning but ``linear`` do."""

    def module(self, fs: float, leads: Sequence[str]) -> nn.Module:
        """A module whose ``forward`` maps what `embed` takes, as a tensor, to what it gives, with gradients.

        Fine-tuning trains copies of it. For the mode ``decayed`` it has ``layers() -> list[list[nn.Parameter]]``, all
        parameters from the input up.
        """
