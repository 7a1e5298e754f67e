"""Median: the median of each number over the sites (Yin et al. 2018)."""

from __future__ import annotations

from cape_fed.federation.arithmetic import Arithmetic, median
from cape_fed.methods.base import Method, NoOptions


class Median(Method[NoOptions]):
    """The coordinate-wise median."""

    name = "median"

    def make_arithmetic(self) -> Arithmetic:
        """See `Method.make_arithmetic`."""
        return median()
