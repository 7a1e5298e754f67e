"""Multi-Krum: only the sites that lie closest to the others are averaged (Blanchard et al. 2017)."""

from __future__ import annotations

from pydantic import Field

from cape_fed.federation.arithmetic import Arithmetic, multi_krum
from cape_fed.methods.base import Method
from cape_fed.section import Section


class Options(Section):
    """Settings of Multi-Krum."""

    malicious: int = Field(default=0, ge=0, description="number of sites that may be malicious")
    selected: int = Field(default=2, gt=0, description="number of sites that are averaged")


class MultiKrum(Method[Options]):
    """A mean over the sites that agree."""

    name = "multi_krum"
    Options = Options

    def make_arithmetic(self) -> Arithmetic:
        """See `Method.make_arithmetic`."""
        return multi_krum(self.options.malicious, self.options.selected)
