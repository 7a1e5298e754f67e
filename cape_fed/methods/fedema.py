"""FedEMA: a site begins a round between its last encoder and the one it receives (Zhuang et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor

from cape_fed.methods.base import Kept, Method, encoder_copies
from cape_fed.pretrain.learner import Learner
from cape_fed.section import Section

if TYPE_CHECKING:
    from cape_fed.federation.messages import Content, Records

SCALE = "scale"
"""Name under which a site keeps the scale of its moving average."""


class Options(Section):
    """Settings of FedEMA."""

    ema_tau: float = Field(default=0.7, gt=0, le=1, description="share of its last encoder that a site begins with")


class FedEMA(Method[Options]):
    """FedAvg with a moving average at the sites.

    The share of a site's last encoder is its distance from the received one times a scale, at most 1. The scale is
    fixed when both encoders are there for the first time, so that the share is then ``ema_tau``.
    """

    name = "fedema"
    Options = Options

    def begin(self, learner: Learner, received: Mapping[str, Tensor], kept: Kept, content: Content) -> Kept:
        """See `Method.begin`."""
        super().begin(learner, received, {}, content)
        if not kept:
            return kept
        distance = _distance(kept, received)
        kept = {**kept, SCALE: kept.get(SCALE, torch.tensor(self.options.ema_tau / max(distance, 1e-12)))}
        share = min(float(kept[SCALE]) * distance, 1.0)
        learner.encoder.load_state_dict(
            {name: share * kept[name] + (1 - share) * value for name, value in received.items()}
        )
        return kept

    def end(self, learner: Learner, kept: Kept) -> tuple[Kept, Records]:
        """Keep the encoder and the scale."""
        scale = {SCALE: kept[SCALE]} if SCALE in kept else {}
        return encoder_copies(learner, sorted(learner.encoder.state_dict())) | scale, {}


def _distance(kept: Kept, received: Mapping[str, Tensor]) -> float:
    """Euclidean distance of the two encoders as vectors."""
    squares = (float((value.double() - kept[name].double()).square().sum()) for name, value in received.items())
    return float(sum(squares) ** 0.5)
