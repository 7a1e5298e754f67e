"""Randomness of the operating system for sampling and noise: no seed of a run has a say in it, none is ever logged."""

from __future__ import annotations

import secrets

import numpy as np
import torch
from torch import Tensor


def system_rng() -> np.random.Generator:
    """A generator with a key of 128 bits from the operating system."""
    return np.random.Generator(np.random.Philox(key=secrets.randbits(128)))


def system_generator(device: torch.device) -> torch.Generator:
    """PyTorch's generator on a device, for what need not be secret or, on an accelerator, for noise.

    On the CPU it keeps 32 bits of a seed and no more: noise comes from `system_rng` there.
    """
    generator = torch.Generator(device)
    generator.manual_seed(secrets.randbits(63))
    return generator


class Noise:
    """Independent standard normal tensors of one step, from a key that this step alone has."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._rng = system_rng()
        self._generator = system_generator(device)

    def like(self, tensor: Tensor) -> Tensor:
        """Standard normal values, float32, in the shape and on the device of ``tensor``."""
        shape = tuple(tensor.shape)
        if self.device.type == "cpu":
            return torch.from_numpy(self._rng.standard_normal(shape, dtype=np.float32))
        return torch.randn(shape, generator=self._generator, device=self.device)
