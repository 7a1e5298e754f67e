"""Leads without a signal at zero, in a graph as in a store."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cape_fed.export.graph import PaddedMaxPool
from cape_fed.export.median import median
from cape_fed.signal.profile import MICROVOLTS_PER_MV
from cape_fed.signal.quality import FLAT_MV, strides


class FlatLeads(nn.Module):
    """What `store_row` does to rows: 0 in the flat leads of a recording in which a lead was flat that is there."""

    def __init__(self, fs: float, target: int) -> None:
        super().__init__()
        self.stride, second = strides(fs)
        self.recorded, self.stored = Swing(second), Swing(target)

    def forward(self, ecg_mv: Tensor, rows: Tensor) -> Tensor:
        """Recordings ``[B, 12, n]`` in mV, NaN where something is missing, and their rows ``[B * 12, m]`` in µV."""
        leads = ecg_mv.flatten(0, 1)
        finite = torch.isfinite(leads)
        known = torch.where(finite, leads, 0.0)
        mean = known.double().sum(dim=1, keepdim=True) / finite.sum(dim=1, keepdim=True).clamp(min=1)
        swing = self.recorded(torch.where(finite, leads, mean.float())[:, :: self.stride])
        there = finite.any(dim=1, keepdim=True)
        flat = (there & (swing <= FLAT_MV)).reshape(-1, ecg_mv.shape[1]).any(dim=1)
        flat = flat[:, None].expand(-1, ecg_mv.shape[1]).reshape(-1, 1)
        return torch.where(flat & (self.stored(rows) <= FLAT_MV * MICROVOLTS_PER_MV), 0.0, rows)


class Swing(nn.Module):
    """Range within a second as the median over whole seconds, ``[rows, n]`` to ``[rows, 1]``."""

    def __init__(self, second: int) -> None:
        super().__init__()
        self.second = second
        self.highest = PaddedMaxPool(second)

    def forward(self, x: Tensor) -> Tensor:
        """Of less than a second, the range of what there is."""
        ranges = (self.highest(x[:, None]) + self.highest(-x[:, None]))[:, 0]
        ends = (torch.arange(ranges.shape[-1], device=x.device) + 1) * self.second
        whole = (ends <= x.shape[-1]) | (ends == self.second)
        return median(ranges, whole.expand_as(ranges))
