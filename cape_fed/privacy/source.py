"""Private steps as a source of batches and gradients for a workbench."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.stages.gradient import GradientSource
from cape_fed.pretrain.stages.pairs import Positives
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.privacy.gradient import PrivateGradient
from cape_fed.privacy.roster import Roster, find_slots
from cape_fed.privacy.sampler import BlockSampler
from cape_fed.store.store import Store


class PrivateSource:
    """Blocks of the slots of a roster, and their clipped and noisy gradients."""

    def __init__(
        self,
        stores: Sequence[Store],
        roster: Roster,
        privacy: PrivacyConfig,
        noise_multiplier: float,
        positives: Positives,
    ) -> None:
        self.stores = stores
        self.roster = roster
        self.privacy = privacy
        self.noise_multiplier = noise_multiplier
        self.positives = positives

    @cached_property
    def batching(self) -> BlockSampler:
        """See `Source.batching`."""
        slots = [find_slots(self.roster, store) for store in self.stores]
        return BlockSampler(slots, self.privacy.block, self.privacy.sample_rate, self.privacy.views, self.positives)

    def gradient(self, learner: Learner) -> GradientSource:
        """See `Source.gradient`."""
        return PrivateGradient(learner, self.privacy, self.noise_multiplier, self.batching.blocks)
