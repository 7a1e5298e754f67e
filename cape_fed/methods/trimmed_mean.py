"""Trimmed mean: each number is averaged without the sites at either end (Yin et al. 2018)."""

from __future__ import annotations

from pydantic import Field

from cape_fed.federation.arithmetic import Arithmetic, trimmed_mean
from cape_fed.methods.base import Method
from cape_fed.section import Section


class Options(Section):
    """Settings of the trimmed mean."""

    trim: float = Field(default=0.2, ge=0, lt=0.5, description="share of the sites that is cut off at either end")


class TrimmedMean(Method[Options]):
    """A mean that a few wild sites cannot move far."""

    name = "trimmed_mean"
    Options = Options

    def make_arithmetic(self) -> Arithmetic:
        """See `Method.make_arithmetic`."""
        return trimmed_mean(self.options.trim)
