"""What the coordinator decides about a federation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cape_fed.errors import InputError
from cape_fed.pretrain.config import Norm
from cape_fed.section import Section

StrategyName = Literal[
    "fedavg", "fedavgm", "fedadam", "fedprox", "trimmed_mean", "multi_krum", "median",
    "scaffold", "fedbn", "fedema", "ldawa", "cyclic",
]  # fmt: skip
LocalMethod = Literal["plain", "fedbn", "fedema", "scaffold"]
Transport = Literal["float32", "float16", "bfloat16"]


class StrategyOptions(Section):
    """Settings of the strategies; each uses its own."""

    learning_rate: float = Field(default=1.0, gt=0, description="fedavgm, fedadam: the server's learning rate")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="fedavgm; fedadam: beta 1")
    second_momentum: float = Field(default=0.99, ge=0, lt=1, description="fedadam: beta 2")
    tau: float = Field(default=1e-3, gt=0, description="fedadam: added to the root of the second moment")
    proximal_mu: float = Field(default=0.01, ge=0, description="fedprox: pull towards the round's encoder")
    ema_tau: float = Field(default=0.7, gt=0, le=1, description="fedema: share of its own encoder a site begins with")
    trim: float = Field(default=0.2, ge=0, lt=0.5, description="trimmed_mean: share cut off at either end")
    malicious: int = Field(default=0, ge=0, description="multi_krum: sites that may be malicious")
    selected: int = Field(default=2, gt=0, description="multi_krum: sites that are averaged")


class FederationConfig(Section):
    """Rounds, what counts in them, and the arithmetic between them."""

    rounds: int = Field(default=20, gt=0)
    local_steps: int = Field(default=50, gt=0, description="optimiser steps a site takes in a round")
    measure_every: int = Field(default=1, gt=0, description="rounds between label-free monitors")
    evaluate_every: int = Field(default=0, ge=0, description="rounds between evaluations; 0: after the last round only")
    evaluate: bool = Field(default=True, description="whether there are evaluations at all")
    checkpoint_every: int = Field(default=1, gt=0, description="rounds between the coordinator's checkpoints")
    strategy: StrategyName = "fedavg"
    options: StrategyOptions = StrategyOptions()
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

    @property
    def local_method(self) -> LocalMethod:
        """What sites do differently in a round; most strategies differ at the coordinator only."""
        return self.strategy if self.strategy in ("fedbn", "fedema", "scaffold") else "plain"

    @property
    def proximal_mu(self) -> float:
        """Strength of the proximal term in a site's objective; 0 for none."""
        return self.options.proximal_mu if self.strategy == "fedprox" else 0.0


def check_batch_statistics(norm: Norm, federation: FederationConfig) -> None:
    """InputError for BatchNorm in a federation that does not say what becomes of its running statistics."""
    if norm == "batch" and federation.strategy != "fedbn" and federation.batch_statistics == "refuse":
        raise InputError(
            "norm=batch has running statistics of each site's patients: say federation.batch_statistics=average, take "
            "federation.strategy=fedbn, which leaves them at the sites, or norm=group"
        )
