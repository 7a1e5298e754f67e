"""Polyphase resampling as products of matrices, which every runtime has in float64 as well; few convolve in it."""

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
    """What `resample` does from one fixed rate to another, in float64: ``[B, n]`` to ``[B, ceil(n * up / down)]``.

    Output ``up * q + phase`` is the sum over inputs ``down * q + t`` with the taps of that phase. Of the signal in
    blocks of ``down`` samples that is a sum over ``j`` of block ``q + j`` times a matrix of taps ``[down, up]``.
    """

    taps: Tensor

    def __init__(self, fs: float, target: float) -> None:
        super().__init__()
        self.up, self.down = ratio(fs, target)
        bank, self.before = _bank(self.up, self.down)
        self.register_buffer("taps", torch.from_numpy(bank), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Edges are held."""
        samples = (x.shape[-1] * self.up + self.down - 1) // self.down
        taps = self.taps.double()
        turns = (samples + self.up - 1) // self.up
        count = turns + len(self.taps) - 1
        padded = pad(x.double()[:, None], (self.before, (len(self.taps) + 1) * self.down), mode="replicate")[:, 0]
        blocks = padded[:, : count * self.down].reshape(-1, count, self.down)
        phases = blocks[:, :turns] @ taps[0]
        for j in range(1, len(self.taps)):
            phases = phases + blocks[:, j : turns + j] @ taps[j]
        return phases.flatten(1)[:, :samples]


def _bank(up: int, down: int) -> tuple[np.ndarray, int]:
    """Taps ``[span, down, up]`` by block, and how many samples of padding they need before the signal."""
    taps = antialias(up, down) * up
    half = len(taps) // 2
    first, last = -(half // up), ((up - 1) * down + half) // up
    span = -(-(last - first + 1) // down)
    if up * span * down > LARGEST:
        raise InputError(
            f"resampling by {up}/{down} does not fit into a graph: choose a rate that is a simpler multiple of the "
            "profile's, or export without preprocessing"
        )
    place = np.arange(up) * down + half - (np.arange(span * down)[:, None] + first) * up
    inside = (place >= 0) & (place < len(taps))
    bank = np.where(inside, taps[np.clip(place, 0, len(taps) - 1)], 0)
    return bank.reshape(span, down, up), -first
