"""An encoder with a linear layer on top, and which of it is trained how fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cape_fed.evaluate.probes.ridge import LEAST_SPREAD
from cape_fed.finetune.config import Mode
from cape_fed.pretrain.encoder import Encoder


class Classifier(nn.Module):
    """Twelve leads in mV to an output for each task: a logit, or a number in the target's unit.

    The embedding is standardised by what it was over the labelled records when training began, so that one learning
    rate suits the heads of all encoders. The linear layer begins at zero: every probability at one half, every
    number at the mean.
    """

    centre: Tensor
    scale: Tensor
    target_centre: Tensor
    target_unit: Tensor

    def __init__(self, encoder: Encoder, tasks: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head: nn.Linear = nn.utils.skip_init(nn.Linear, encoder.config.dim, tasks)  # type: ignore[no-untyped-call]
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("centre", torch.zeros(encoder.config.dim))
        self.register_buffer("scale", torch.ones(encoder.config.dim))
        self.register_buffer("target_centre", torch.zeros(tasks))
        self.register_buffer("target_unit", torch.ones(tasks))

    def standardise(self, embeddings: Tensor) -> None:
        """Take centre and scale from embeddings ``[n, dim]``.

        No scale is smaller than `LEAST_SPREAD` of the average over units: a unit that hardly varies in the labelled
        records could otherwise dominate in others. Where no unit varies, all scales are 1.
        """
        spread = embeddings.std(dim=0, correction=0)
        least = LEAST_SPREAD * spread.square().mean().sqrt()
        self.centre.copy_(embeddings.mean(dim=0))
        self.scale.copy_(spread.clamp(min=least.item()) if least > 0 else torch.ones_like(spread))

    def aim(self, centre: float, unit: float) -> None:
        """Take outputs as ``centre + unit * head``."""
        self.target_centre.fill_(centre)
        self.target_unit.fill_(unit)

    def outputs(self, embeddings: Tensor) -> Tensor:
        """Embeddings ``[n, dim]`` to outputs ``[n, tasks]``."""
        standard: Tensor = self.head((embeddings - self.centre) / self.scale)
        return self.target_centre + self.target_unit * standard

    def forward(self, ecg: Tensor, valid: Tensor) -> Tensor:
        """Views ``[B, 12, T]`` mV with ``[B]`` valid samples to outputs ``[B, tasks]``."""
        return self.outputs(self.encoder(ecg, valid))


def parameter_groups(classifier: Classifier, mode: Mode, rate: float, decay: float) -> list[dict[str, Any]]:
    """Parameters with their learning rates, for an optimiser.

    ``decayed``: the head has ``rate``, the layer below it ``decay`` times that, and so on down to the stem (Howard and
    Ruder 2018, Clark et al. 2020). Otherwise everything that is trained has ``rate``.
    """
    groups = [{"params": list(classifier.head.parameters()), "lr": rate}]
    factor = decay if mode == "decayed" else 1.0
    downwards = reversed(classifier.encoder.layers())
    return groups + [
        {"params": parameters, "lr": rate * factor**depth} for depth, parameters in enumerate(downwards, start=1)
    ]
