"""The median of what is known, in operators that every runtime has."""

from __future__ import annotations

import torch
from torch import Tensor


def median(x: Tensor, known: Tensor) -> Tensor:
    """Median of what is known of each row, ``[rows, 1]``; 0 where nothing is."""
    ordered = torch.where(known, x, float("inf")).sort(dim=-1).values
    count = known.sum(dim=-1, keepdim=True)
    low, high = ((count - 1) // 2).clamp(min=0), (count // 2).clamp(max=x.shape[-1] - 1)
    middle = (ordered.gather(-1, low) + ordered.gather(-1, high)) / 2
    return torch.where(count > 0, middle, 0.0)
