"""FedAdam: the coordinator applies the mean change through Adam (Reddi et al. 2021)."""

from __future__ import annotations

from pydantic import Field

from cape_fed.federation.arithmetic import Arithmetic, adam
from cape_fed.methods.base import Method
from cape_fed.section import Section


class Options(Section):
    """Settings of FedAdam."""

    learning_rate: float = Field(default=1.0, gt=0, description="the coordinator's learning rate")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="the coordinator's momentum (fedadam: beta 1)")
    second_momentum: float = Field(default=0.99, ge=0, lt=1, description="beta 2")
    tau: float = Field(default=1e-3, gt=0, description="added to the root of the second moment")


class FedAdam(Method[Options]):
    """FedAvg with Adam at the coordinator."""

    name = "fedadam"
    Options = Options

    def make_arithmetic(self) -> Arithmetic:
        """See `Method.make_arithmetic`."""
        options = self.options
        return adam(options.learning_rate, options.momentum, options.second_momentum, options.tau)
