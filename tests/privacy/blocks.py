"""A private gradient source on made-up recordings, small enough for fuzzing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.feed import Pairs
from cape_fed.pretrain.learner import Learner
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.privacy.gradient import BlockGradients, Blocks, Contrast, PrivateGradient

CPU = torch.device("cpu")
SAMPLES = 160
CONFIG = PretrainConfig.model_validate({"objective": {"hidden": 16, "projection": 8}})


def learner(**changes: Any) -> Learner:
    return Learner(CONFIG.model_copy(update=changes), 100, "here", CPU)


def source(
    made: Learner, noise: float = 1.0, blocks: int = 10, way: BlockGradients | None = None, **privacy: Any
) -> PrivateGradient:
    config = PrivacyConfig.model_validate({"mode": "patient", "sample_rate": 0.5, **privacy})
    return PrivateGradient(made, config, noise, blocks, way)


def model_of(made: Learner) -> Contrast:
    return Contrast(made.encoder, made.head, made.config)


def recordings(blocks: int, block: int, seed: int = 0, views: int = 1) -> Blocks:
    """Recordings ``[B, 2, V, k, 12, T]`` as if augmented, with valid samples."""
    rng = np.random.default_rng(seed)
    ecg = torch.from_numpy(rng.normal(0, 1, (blocks, 2, views, block, 12, SAMPLES)).astype(np.float32))
    return ecg, torch.from_numpy(rng.integers(SAMPLES // 2, SAMPLES + 1, (blocks, 2, views, block)))


def pairs(blocks: int, block: int, seed: int = 0, views: int = 1) -> Pairs:
    """The same from a store: int16, not augmented."""
    count = blocks * block * views
    rng = np.random.default_rng(seed)
    sides = [torch.from_numpy(rng.normal(0, 300, (count, 12, SAMPLES)).astype(np.int16)) for _ in range(2)]
    valid = torch.full((count,), SAMPLES)
    return Pairs((sides[0], valid), (sides[1], valid), torch.arange(count), torch.zeros(count, dtype=torch.long))


def norm(tensors: list[torch.Tensor]) -> float:
    return float(torch.cat([tensor.flatten() for tensor in tensors]).double().norm())
