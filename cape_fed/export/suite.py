"""A bundle as the model of an evaluation suite: recordings in, logits out, layers that learn at rates of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from cape_fed.export.preprocessing import Preprocessing
from cape_fed.release.bundle import load_encoder

Mode = Literal["linear", "frozen", "finetuning_linear", "finetuning_nonlinear"]
"""Whether the encoder is trained (``finetuning_...``), and whether the head is a linear layer on the mean over time
(``..._linear``) or attends to the sequence (``frozen`` and ``finetuning_nonlinear``)."""


class AttentionHead(nn.Module):
    """Logits from a learnt query's attention to a sequence ``[B, T', D]``."""

    def __init__(self, dim: int, classes: int, heads: int = 8) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, dim))
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.linear = nn.Linear(dim, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[B, T', D]`` to ``[B, classes]``."""
        pooled = self.attention(self.query.expand(len(tokens), -1, -1), tokens, tokens, need_weights=False)[0]
        logits: Tensor = self.linear(pooled[:, 0])
        return logits


class SuiteModel(nn.Module):
    """A bundle's encoder with its preprocessing and a head, for trainers that bring their own loop.

    ``rate`` is that of the recordings in Hz, the profile's where it is not given; InputError for a bundle that does
    not load and a rate that does not fit (see `Preprocessing`).
    """

    def __init__(
        self,
        bundle: str | Path,
        num_classes: int,
        *,
        rate: float | None = None,
        eval_mode: Mode = "finetuning_linear",
        lr: float = 1e-3,
        discriminative_lr_factor: float = 0.1,
    ) -> None:
        super().__init__()
        loaded = load_encoder(bundle)
        self.prepare = Preprocessing(loaded.profile, loaded.profile.fs if rate is None else rate)
        self.encoder = loaded.encoder
        self.tuned = eval_mode.startswith("finetuning")
        self.encoder.requires_grad_(self.tuned)
        self.pooled = eval_mode in ("linear", "finetuning_linear")
        self.head = nn.Linear(loaded.dim, num_classes) if self.pooled else AttentionHead(loaded.dim, num_classes)
        self.lr, self.factor = lr, discriminative_lr_factor
        self.train()

    def tokens(self, ecg_mv: Tensor) -> Tensor:
        """Features ``[B, T', D]`` of recordings ``[B, 12, T]`` in mV, NaN where something is missing."""
        return self.encoder.sequence(self.prepare(ecg_mv)).transpose(1, 2)

    def forward(self, ecg_mv: Tensor) -> Tensor:
        """``[B, 12, T]`` in mV, of one length, to logits ``[B, num_classes]``."""
        tokens = self.tokens(ecg_mv)
        logits: Tensor = self.head(tokens.mean(dim=1) if self.pooled else tokens)
        return logits

    def get_params(self) -> list[dict[str, Any]]:
        """Groups for an optimiser: the head at ``lr``, the upper layers at a factor of it, the lower at its square."""
        groups: list[dict[str, Any]] = [{"params": list(self.head.parameters()), "lr": self.lr}]
        if self.tuned:
            layers = self.encoder.layers()
            halves = layers[len(layers) // 2 :], layers[: len(layers) // 2]
            for power, half in enumerate(halves, start=1):
                parameters = [parameter for layer in half for parameter in layer]
                groups.append({"params": parameters, "lr": self.lr * self.factor**power})
        return groups

    def train(self, mode: bool = True) -> Self:
        """Training mode, but not of an encoder that is not trained: statistics over batches would change."""
        super().train(mode)
        self.encoder.train(mode and self.tuned)
        return self
