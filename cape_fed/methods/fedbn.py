"""FedBN: normalisation layers stay at the sites (Li et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cape_fed.methods.base import Kept, Method, NoOptions, encoder_copies
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.norm import norm_tensors

if TYPE_CHECKING:
    from cape_fed.federation.messages import Records


class FedBN(Method[NoOptions]):
    """FedAvg in which every site goes on with the normalisation layers that it had.

    The coordinator averages these layers as well, for sites that have none yet and for the bundle.
    """

    name = "fedbn"
    personalises = True
    keeps_statistics = True

    def personal(self, received: Mapping[str, Tensor], kept: Kept) -> dict[str, Tensor]:
        """The encoder received, with the site's normalisation layers."""
        return {**received, **kept}

    def end(self, learner: Learner, kept: Kept) -> tuple[Kept, Records]:
        """Keep the normalisation layers, statistics included."""
        return encoder_copies(learner, sorted(norm_tensors(learner.encoder))), {}
