"""Law checks: noise, clip, denominator and sampling are what the accounting takes them for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from cape_fed.privacy.audit.subject import Subject

_LIMIT = 5.0
"""Standard errors by which a measured number may be off: once in two million times."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    name: str
    good: bool
    said: str


def check_noise(subject: Subject) -> Finding:
    """A step without a block is noise of standard deviation σC / qM, on the encoder and on the head."""
    expected = _unit(subject) * subject.noise_multiplier
    learner = subject.learner()
    tensors = subject.released(subject.source(learner), learner, subject.pairs(np.arange(0)))
    count = len(list(learner.encoder.parameters()))
    off = 0.0
    for part in (tensors[:count], tensors[count:]):
        values = _flat(part)
        off = max(off, abs(float(values.std()) / expected - 1) * np.sqrt(2 * len(values)))
        off = max(off, abs(float(values.mean())) / expected * np.sqrt(len(values)))
    return Finding("noise", off < _LIMIT, f"mean and size of the noise are off by at most {off:.1f} standard errors")


def check_fresh(subject: Subject) -> Finding:
    """Two steps with the same seed and number have different noise: nobody who knows the run's seed knows it."""
    draws = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - what somebody who seeds everything would do
        learner = subject.learner()
        draws.append(_flat(subject.released(subject.source(learner), learner, subject.pairs(np.arange(0)))))
    shared = float(torch.corrcoef(torch.stack(draws))[0, 1].abs()) * np.sqrt(len(draws[0]))
    return Finding("fresh noise", shared < _LIMIT, f"noise of equal seeds correlates by {shared:.1f} standard errors")


def check_clip(subject: Subject) -> Finding:
    """One block, whatever its weights, moves the release by at most C / qM."""
    longest = 0.0
    for scale in (1.0, 30.0):
        learner = subject.learner()
        with torch.no_grad():
            for parameter in learner.parameters():
                parameter.mul_(scale)
        pairs = subject.pairs(np.arange(subject.privacy.block))
        moved = _flat(subject.released(subject.source(learner, noise=1e-9), learner, pairs)).double().norm()
        longest = max(longest, float(moved) / _unit(subject))
    return Finding("clip", 0.5 < longest <= 1 + 1e-4, f"a block moves the release by {longest:.4f} of the bound")


def check_sampling(subject: Subject, steps: int = 4000) -> Finding:
    """The number of blocks is Binomial(M, q), no patient is in two of them, and all come up equally often."""
    sampler, rate = subject.sampler(), subject.privacy.sample_rate
    blocks = sampler.blocks
    drawn = [sampler.draw(0) for _ in range(steps)]
    counts = np.array([len(draw) for draw in drawn])
    often = np.bincount(np.concatenate([draw.ravel() for draw in drawn]), minlength=subject.patients)
    variance = blocks * rate * (1 - rate)
    off = max(
        abs(counts.mean() - blocks * rate) / np.sqrt(variance / steps),
        abs(counts.var() / variance - 1) / np.sqrt(2 / steps),
        np.abs(often - steps * rate).max() / np.sqrt(steps * rate * (1 - rate)) - 1.5,  # the largest of many
    )
    disjoint = all(len(np.unique(draw)) == draw.size for draw in drawn)
    return Finding("sampling", disjoint and off < _LIMIT, f"numbers of blocks are off by {off:.1f} standard errors")


LAWS: tuple[Callable[[Subject], Finding], ...] = (check_noise, check_fresh, check_clip, check_sampling)


def _unit(subject: Subject) -> float:
    """C / qM: by how much a block that is clipped moves the release."""
    blocks = subject.patients // subject.privacy.block
    return subject.privacy.clip / (subject.privacy.sample_rate * blocks)


def _flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])
