"""What the coordinator decides about a federation."""

from __future__ import annotations

from pydantic import Field

from cape_fed.pretrain.config import Section


class FederationConfig(Section):
    """Rounds and the arithmetic between them."""

    rounds: int = Field(default=20, gt=0)
    local_steps: int = Field(default=50, gt=0, description="optimiser steps a site takes in a round")
    measure_every: int = Field(default=1, gt=0, description="rounds between label-free monitors")
    checkpoint_every: int = Field(default=1, gt=0, description="rounds between the coordinator's checkpoints")

    @property
    def steps(self) -> int:
        """Steps a site takes in the whole run: what its learning rate schedule spans."""
        return self.rounds * self.local_steps
