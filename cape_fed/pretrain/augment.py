"""Augmentations of a batch of recordings, vectorised on the device that trains."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from cape_fed.pretrain.config import AugmentConfig

MAINS_HZ = (50.0, 60.0)
WANDER_HZ = (0.05, 0.5)


class Augmentation:
    """Draws one random view of every recording in a batch; all randomness comes from the generator handed in."""

    def __init__(self, config: AugmentConfig, fs: int) -> None:
        self.config = config
        self.fs = fs

    def __call__(self, ecg: Tensor, valid: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """``[B, 12, T]`` mV and ``[B]`` valid samples to a view ``[B, 12, crop * T]`` and its valid samples."""
        config = self.config
        x, valid = random_crop(ecg, valid, config.crop, generator)
        if config.gain:
            x = x * torch.exp(config.gain * _normal(x, (x.shape[0], 1, 1), generator))
        if config.wander_mv:
            x = x + wander(x, config.wander_mv, self.fs, generator)
        if config.mains_mv:
            x = x + mains(x, config.mains_mv, self.fs, generator)
        if config.noise_mv:
            level = config.noise_mv * _uniform(x, (x.shape[0], 1, 1), generator)
            x = x + level * _normal(x, tuple(x.shape), generator)
        keep = validity(x.shape[-1], valid)[:, None, :]
        if config.time_mask:
            keep = keep & ~random_stretch(x, valid, config.time_mask, generator)[:, None, :]
        if config.lead_mask:
            keep = keep & (_uniform(x, (x.shape[0], x.shape[1], 1), generator) >= config.lead_mask)
        return x * keep, valid


def random_crop(ecg: Tensor, valid: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A window of ``share`` of T from each recording, begun so that it holds as many valid samples as there are."""
    length = max(1, round(share * ecg.shape[-1]))
    room = (valid - length).clamp(min=0)
    start = (_uniform(ecg, (ecg.shape[0],), generator) * (room + 1)).long()
    index = start[:, None] + torch.arange(length, device=ecg.device)
    cropped = torch.gather(ecg, 2, index[:, None, :].expand(-1, ecg.shape[1], -1))
    return cropped, (valid - start).clamp(max=length)


def validity(length: int, valid: Tensor) -> Tensor:
    """``[B, length]`` booleans: true before the padding."""
    return torch.arange(length, device=valid.device)[None, :] < valid[:, None]


def random_stretch(x: Tensor, valid: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """``[B, T]`` booleans: one stretch of up to ``share`` of the valid samples a recording."""
    draws = _uniform(x, (2, x.shape[0]), generator)
    length = draws[0] * share * valid
    start = draws[1] * (valid - length)
    time = torch.arange(x.shape[-1], device=x.device)[None, :]
    return (time >= start[:, None]) & (time < (start + length)[:, None])


def wander(x: Tensor, amplitude: float, fs: int, generator: torch.Generator) -> Tensor:
    """Baseline wander: one slow sine a recording with its own size in every lead, ``[B, 12, T]`` mV."""
    draws = _uniform(x, (2, x.shape[0], 1), generator)
    frequency = WANDER_HZ[0] + (WANDER_HZ[1] - WANDER_HZ[0]) * draws[0]
    sine = _sine(frequency, draws[1], x.shape[-1], fs)
    size = amplitude * (2 * _uniform(x, (x.shape[0], x.shape[1], 1), generator) - 1)
    return size * sine[:, None, :]


def mains(x: Tensor, amplitude: float, fs: int, generator: torch.Generator) -> Tensor:
    """Mains hum of 50 or 60 Hz; 0 where the rate could not show it (a 100 Hz signal folds both)."""
    visible = [hz for hz in MAINS_HZ if hz < fs / 2]
    if not visible:
        return torch.zeros((), device=x.device)
    draws = _uniform(x, (3, x.shape[0], 1), generator)
    choices = torch.tensor(visible, device=x.device)
    frequency = choices[(draws[0] * len(visible)).long().clamp(max=len(visible) - 1)]
    return (amplitude * draws[2] * _sine(frequency, draws[1], x.shape[-1], fs))[:, None, :]


def _sine(frequency: Tensor, phase: Tensor, samples: int, fs: int) -> Tensor:
    time = torch.arange(samples, device=frequency.device) / fs
    return torch.sin(2 * pi * (frequency * time + phase))


def _uniform(like: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=like.device)


def _normal(like: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=like.device)
