"""Cyclic training: the encoder visits one site after the other (Chang et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from cape_fed.methods.base import Method, NoOptions


class Cyclic(Method[NoOptions]):
    """One site a round, in the order of names."""

    name = "cyclic"

    def select(self, sites: Sequence[str], number: int, share: float, seed: int) -> set[str]:
        """The site whose turn it is."""
        return {sites[number % len(sites)]}

    @classmethod
    def share_asked(cls, sites: int, share: float) -> float:
        """See `Method.share_asked`."""
        return 1 / sites
