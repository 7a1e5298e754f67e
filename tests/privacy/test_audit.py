"""The audit passes on the real step, and each mistake that somebody could make in it fails at least one check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cape_fed.privacy import gradient, sampler
from cape_fed.privacy.audit.canaries import audit_canaries, shown_epsilon
from cape_fed.privacy.audit.laws import LAWS
from cape_fed.privacy.audit.subject import Subject
from cape_fed.privacy.entropy import Noise

SUBJECT = Subject()
BLOCKS = SUBJECT.patients // SUBJECT.privacy.block


class Halved(Noise):
    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        return super().like(tensor) / 2


class Divided(Noise):
    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        return super().like(tensor) / (SUBJECT.privacy.sample_rate * BLOCKS)


class Seeded(Noise):
    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._rng = np.random.default_rng(0)  # as from a seed of the run, which the coordinator knows


class WithoutHead(Noise):
    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(tensor) if tensor.shape[:1] in ((16,), (8,)) else super().like(tensor)


class Fixed(sampler.BlockSampler):
    def draw(self, cohort: int) -> np.ndarray:
        return np.arange(len(self.cohorts[cohort])).reshape(-1, self.block)[: self.blocks // 2]


def failing() -> set[str]:
    return {finding.name for finding in (law(SUBJECT) for law in LAWS) if not finding.good}


def test_the_real_step_passes() -> None:
    assert failing() == set()


@pytest.mark.parametrize(
    ("noise", "check"),
    [(Halved, "noise"), (Divided, "noise"), (Seeded, "fresh noise"), (WithoutHead, "noise")],
)
def test_wrong_noise_is_caught(noise: type[Noise], check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "Noise", noise)
    assert check in failing()


def test_a_clip_four_times_too_large_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gradient.clipped_sum
    monkeypatch.setattr(gradient, "clipped_sum", lambda gradients, bound: right(gradients, 4 * bound))
    assert "clip" in failing()


def test_batches_that_are_always_the_same_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cape_fed.privacy.audit.subject.BlockSampler", Fixed)
    assert "sampling" in failing()


def test_one_run_with_canaries_does_not_refute_what_is_claimed() -> None:
    finding = audit_canaries(SUBJECT)
    assert finding.good, finding.said


def test_canaries_refute_noise_that_is_far_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "Noise", Divided)
    assert not audit_canaries(SUBJECT, claimed=1.0).good


def test_what_guesses_show() -> None:
    rng = np.random.default_rng(0)
    inside = rng.random(200) < 0.5
    perfect: Any = inside + 0.1 * rng.normal(size=200)
    assert shown_epsilon(inside, perfect) > 3
    assert shown_epsilon(inside, rng.normal(size=200)) < 0.7
