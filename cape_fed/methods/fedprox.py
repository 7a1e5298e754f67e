"""FedProx: local steps are pulled towards the encoder of the round (Li et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field
from torch import Tensor

from cape_fed.methods.base import Kept, Method
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.stages.transforms import ProximalPull
from cape_fed.section import Section

if TYPE_CHECKING:
    from cape_fed.federation.messages import Content


class Options(Section):
    """Settings of FedProx."""

    proximal_mu: float = Field(default=0.01, ge=0, description="strength of the pull towards the round's encoder")


class FedProx(Method[Options]):
    """FedAvg with a proximal term over the encoder's parameters; the head is the site's and is not pulled."""

    name = "fedprox"
    Options = Options

    def begin(self, learner: Learner, received: Mapping[str, Tensor], kept: Kept, content: Content) -> Kept:
        """See `Method.begin`."""
        kept = super().begin(learner, received, kept, content)
        if self.options.proximal_mu:
            learner.transforms = (ProximalPull(learner.encoder_parameters(), received, self.options.proximal_mu),)
        return kept
