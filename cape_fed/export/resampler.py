"""Polyphase resampling as one convolution, which every runtime has."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from cape_fed.errors import InputError
from cape_fed.signal.resample import antialias, ratio

LARGEST = 4_000_000
"""Numbers in the filter bank of a ratio; only rates such as 333.33 Hz have more."""


class Resampler(nn.Module):
    """What `resample` does from one fixed rate to another: ``[B, n]`` to ``[B, ceil(n * up / down)]``.

    Output ``up * q + phase`` is the sum over inputs ``down * q + t`` with the taps of that phase: a convolution with
    ``up`` channels and stride ``down``, whose channels take turns.
    """

    taps: Tensor

    def __init__(self, fs: float, target: float) -> None:
        super().__init__()
        self.up, self.down = ratio(fs, target)
        bank, self.before, self.after = _bank(self.up, self.down)
        self.register_buffer("taps", torch.from_numpy(bank)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Edges are held."""
        samples = (x.shape[-1] * self.up + self.down - 1) // self.down
        padded = pad(x[:, None], (self.before, self.after), mode="replicate")
        phases = nn.functional.conv1d(padded, self.taps, stride=self.down)
        return phases.transpose(1, 2).flatten(1)[:, :samples]


def _bank(up: int, down: int) -> tuple[np.ndarray, int, int]:
    """Taps ``[up, K]`` by phase, and how many samples of padding they need before and after the signal."""
    taps = antialias(up, down).astype(np.float64) * up
    half = len(taps) // 2
    first, last = -(half // up), ((up - 1) * down + half) // up
    if up * (last - first + 1) > LARGEST:
        raise InputError(
            f"resampling by {up}/{down} does not fit into a graph: choose a rate that is a simpler multiple of the "
            "profile's, or export without preprocessing"
        )
    place = np.arange(up)[:, None] * down + half - np.arange(first, last + 1)[None] * up
    inside = (place >= 0) & (place < len(taps))
    return np.where(inside, taps[np.clip(place, 0, len(taps) - 1)], 0).astype(np.float32), -first, last + down
