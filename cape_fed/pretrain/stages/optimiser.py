"""The last stage of a step: the optimiser and its learning rate, laid out over the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi

import torch
from torch import nn

from cape_fed.pretrain.config import TrainConfig


def build_optimiser(config: TrainConfig, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that the configuration names, without any memory."""
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Use ``rate`` for all parameters from the next step on."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """Linear warm-up, then a cosine that ends at 0 after ``total`` steps, which are the whole run's, not a round's."""
    warm = round(config.warmup * total)
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * 0.5 * (1 + cos(pi * (step - warm) / max(1, total - warm)))
