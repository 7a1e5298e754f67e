"""FedAvgM: the coordinator applies the mean change with momentum (Hsu et al. 2019)."""

from __future__ import annotations

from pydantic import Field

from cape_fed.federation.arithmetic import Arithmetic, averaging_with_momentum
from cape_fed.methods.base import Method
from cape_fed.section import Section


class Options(Section):
    """Settings of FedAvgM."""

    learning_rate: float = Field(default=1.0, gt=0, description="the coordinator's learning rate")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="the coordinator's momentum (fedadam: beta 1)")


class FedAvgM(Method[Options]):
    """FedAvg with momentum at the coordinator."""

    name = "fedavgm"
    Options = Options

    def make_arithmetic(self) -> Arithmetic:
        """See `Method.make_arithmetic`."""
        return averaging_with_momentum(self.options.learning_rate, self.options.momentum)
