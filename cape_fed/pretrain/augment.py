"""Augmentations of a batch of recordings, vectorised on the device that trains."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from cape_fed.pretrain.config import AugmentConfig
from cape_fed.signal.profile import MICROVOLTS_PER_MV

MAINS_HZ = (50.0, 60.0)
WANDER_HZ = (0.05, 0.5)


class Augmentation:
    """Draws one random view of every recording in a batch; all randomness comes from the generator handed in."""

    def __init__(self, config: AugmentConfig, fs: int) -> None:
        self.config = config
        self.fs = fs

    def __call__(self, ecg: Tensor, valid: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Store rows ``[B, 12, T]`` (int16, µV) with ``[B]`` valid samples to views ``[B, 12, crop * T]`` in mV.

        Cropped before anything else and changed in place after that: on a CPU this is memory traffic and little more.
        """
        config = self.config
        cropped, valid = random_crop(ecg, valid, config.crop, generator)
        x = cropped.to(torch.float32).mul_(1 / MICROVOLTS_PER_MV)
        if config.gain:
            x.mul_(torch.exp(config.gain * _normal(x, (x.shape[0], 1, 1), generator)))
        if config.wander_mv:
            add_wander_(x, config.wander_mv, self.fs, generator)
        if config.mains_mv:
            add_mains_(x, config.mains_mv, self.fs, generator)
        if config.noise_mv:
            level = config.noise_mv * _uniform(x, (x.shape[0], 1, 1), generator)
            x.addcmul_(level, _normal(x, tuple(x.shape), generator))
        hidden = ~validity(x.shape[-1], valid)[:, None, :]
        if config.time_mask:
            hidden = hidden | random_stretch(x, valid, config.time_mask, generator)[:, None, :]
        if config.lead_mask:
            hidden = hidden | (_uniform(x, (x.shape[0], x.shape[1], 1), generator) < config.lead_mask)
        return x.masked_fill_(hidden, 0.0), valid


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


def add_wander_(x: Tensor, amplitude: float, fs: int, generator: torch.Generator) -> None:
    """Add baseline wander to ``[B, 12, T]`` mV: one slow sine a recording with its own size in every lead."""
    draws = _uniform(x, (2, x.shape[0], 1), generator)
    frequency = WANDER_HZ[0] + (WANDER_HZ[1] - WANDER_HZ[0]) * draws[0]
    sine = _sine(frequency, draws[1], x.shape[-1], fs)
    size = amplitude * (2 * _uniform(x, (x.shape[0], x.shape[1], 1), generator) - 1)
    x.addcmul_(size, sine[:, None, :])


def add_mains_(x: Tensor, amplitude: float, fs: int, generator: torch.Generator) -> None:
    """Add mains hum of 50 or 60 Hz; nothing where the rate could not show it (a 100 Hz signal folds both)."""
    visible = [hz for hz in MAINS_HZ if hz < fs / 2]
    if not visible:
        return
    draws = _uniform(x, (3, x.shape[0], 1), generator)
    choices = torch.tensor(visible, device=x.device)
    frequency = choices[(draws[0] * len(visible)).long().clamp(max=len(visible) - 1)]
    x.add_((amplitude * draws[2] * _sine(frequency, draws[1], x.shape[-1], fs))[:, None, :])


def _sine(frequency: Tensor, phase: Tensor, samples: int, fs: int) -> Tensor:
    time = torch.arange(samples, device=frequency.device) / fs
    return torch.sin(2 * pi * (frequency * time + phase))


def _uniform(like: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=like.device)


def _normal(like: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=like.device)
