"""A private step on made-up recordings, small enough to be taken many times."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.feed import Pairs
from cape_fed.pretrain.learner import Learner
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.privacy.gradient import BlockGradients, PrivateGradient
from cape_fed.privacy.roster import Slots
from cape_fed.privacy.sampler import BlockSampler

FS, SAMPLES = 100, 160
STILL = {"crop": 1.0, "time_mask": 0, "gain": 0, "noise_mv": 0, "wander_mv": 0, "mains_mv": 0, "lead_mask": 0}
"""No augmentation."""


@dataclass(frozen=True)
class Subject:
    """What is audited: a learner, a roster of ``patients`` and the private step between them."""

    patients: int = 200
    noise_multiplier: float = 1.5
    privacy: PrivacyConfig = field(
        default_factory=lambda: PrivacyConfig(mode="patient", sample_rate=0.5, block=2, clip=0.8)
    )
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def learner(self) -> Learner:
        """A new learner, always with the same seed."""
        small = {"objective": {"hidden": 16, "projection": 8}, "augment": STILL}
        return Learner(PretrainConfig.model_validate(small), FS, "audit", self.device)

    def sampler(self) -> BlockSampler:
        """Blocks of slots with one record each: row i is patient i."""
        every = np.arange(self.patients)
        slots = Slots(every, every, np.ones(self.patients, np.int64))
        return BlockSampler([slots], self.privacy.block, self.privacy.sample_rate, self.privacy.views)

    def source(
        self, learner: Learner, way: BlockGradients | None = None, noise: float | None = None
    ) -> PrivateGradient:
        """The step's gradient source; ``way`` computes the gradients of blocks in place of the objective's."""
        used = self.noise_multiplier if noise is None else noise
        return PrivateGradient(learner, self.privacy, used, self.patients // self.privacy.block, way)

    def pairs(self, rows: np.ndarray) -> Pairs:
        """Recordings of patients by number: each is constant in lead I, and that number in µV."""
        rng = np.random.default_rng(0)
        signals = rng.normal(0, 300, (len(rows), 12, SAMPLES)).astype(np.int16)
        signals[:, 0] = rows[:, None]
        ecg, valid = torch.from_numpy(signals), torch.full((len(rows),), SAMPLES)
        view = (ecg.to(self.device), valid.to(self.device))
        patients = torch.from_numpy(rows).to(self.device)
        return Pairs(view, view, patients, torch.zeros_like(patients))

    def released(self, source: PrivateGradient, learner: Learner, pairs: Pairs, step: int = 0) -> list[torch.Tensor]:
        """What reaches the optimiser of one step, one tensor a parameter."""
        learner.optimiser.zero_grad(set_to_none=True)
        source.backward(pairs, step)
        return [parameter.grad.detach().clone() for parameter in learner.parameters() if parameter.grad is not None]
