"""What the coordinator decides about a federation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cape_fed.section import Section

Transport = Literal["float32", "float16", "bfloat16"]


class FederationConfig(Section):
    """Rounds, what counts in them, and the arithmetic between them."""

    name: str = Field(default="", max_length=100, description="what the federation calls itself towards its sites")
    rounds: int = Field(default=20, gt=0, description="rounds of the whole run")
    local_steps: int = Field(default=50, gt=0, description="optimiser steps a site takes in a round")
    measure_every: int = Field(default=1, ge=0, description="rounds between label-free monitors; 0: none")
    evaluate_every: int = Field(default=0, ge=0, description="rounds between evaluations; 0: after the last round only")
    evaluate: bool = Field(default=True, description="whether there are evaluations at all")
    checkpoint_every: int = Field(default=1, gt=0, description="rounds between the coordinator's checkpoints")
    strategy: str = Field(default="fedavg", description="the federated method")
    options: dict[str, float] = Field(default={}, description="settings of the methods; each uses its own")
    participation: float = Field(default=1.0, gt=0, le=1, description="share of the training sites asked in a round")
    batch_statistics: Literal["refuse", "average"] = Field(
        default="refuse", description="what becomes of BatchNorm's running statistics; average: mean over patients"
    )
    clip: bool = Field(default=True, description="scale updates longer than the median one down to it")
    max_change: float = Field(default=10.0, gt=0, description="longest update that counts, in lengths of the encoder")
    transport: Transport = Field(default="float32", description="how updates travel; below 32 bits as differences")
    quorum: float = Field(default=0.5, ge=0, le=1, description="share of the training sites that a round needs")
    quorum_patients: float = Field(default=0.5, ge=0, le=1, description="share of their patients that it needs")
    tries: int = Field(default=3, gt=0, description="times a round below quorum is tried before the run stops")
    strikes: int = Field(default=3, gt=0, description="refused replies in a row after which a site is quarantined")
    round_deadline: float = Field(default=3600.0, gt=0, description="seconds a site has for a round")
    join_deadline: float = Field(default=300.0, ge=0, description="seconds to wait for sites before the first round")

    @property
    def steps(self) -> int:
        """Steps a site takes in the whole run: what its learning rate schedule spans."""
        return self.rounds * self.local_steps
