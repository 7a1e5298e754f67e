"""The contrastive objective: NT-Xent over pairs, computed in float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from cape_fed.pretrain.stages.hooks import refuse_per_sample_hooks


def nt_xent(
    anchors: Tensor,
    candidates: Tensor,
    anchor_groups: Tensor,
    candidate_groups: Tensor,
    offset: int,
    tau: float,
    foreign: Tensor | None = None,
    foreign_tau: float | None = None,
) -> Tensor:
    """Mean normalised-temperature cross entropy (Chen et al. 2020) of ``anchors`` against ``candidates``.

    ``candidates`` ``[2M, d]`` holds the first views of M pairs, then their second views in the same order. ``anchors``
    are its rows ``offset .. offset + m`` and the same of the second half, ``[2m, d]``: all of them in one process.
    Candidates of the anchor's own group (patient) are never negatives; groups are integers, one a row. Candidates that
    ``foreign`` ``[2m, 2M]`` marks have the temperature ``foreign_tau``, or are no negatives where that is None.
    """
    anchors, candidates = normalize(anchors.float(), dim=1), normalize(candidates.float(), dim=1)
    logits = anchors @ candidates.T / tau
    pairs, total = anchors.shape[0] // 2, candidates.shape[0]
    first = torch.arange(offset, offset + pairs, device=anchors.device)
    own = torch.cat([first, first + total // 2])
    positive = (own + total // 2) % total
    keep = anchor_groups[:, None] != candidate_groups[None, :]
    if foreign is not None:
        if foreign_tau is None:
            keep &= ~foreign
        else:
            logits = torch.where(foreign, logits * (tau / foreign_tau), logits)
    keep.scatter_(1, positive[:, None], True)
    logits = logits.masked_fill(~keep, float("-inf"))
    return cross_entropy(logits, positive)


class ProjectionHead(nn.Sequential):
    """Two-layer MLP between embedding and objective; it never leaves the place where it is trained."""

    def __init__(self, dim: int, hidden: int, out: int) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, out))

    def forward(self, input: Tensor) -> Tensor:
        """Embeddings to the space of the objective; InputError under Opacus' per-sample hooks, which bound nothing."""
        refuse_per_sample_hooks((self,))
        projected: Tensor = super().forward(input)  # type: ignore[no-untyped-call]
        return projected
