"""From leads in an order of the user's own to the twelve in the order that an encoder was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cape_fed.signal.lead_names import lead_places
from cape_fed.signal.leads import LEADS
from cape_fed.signal.limb import LIMB, limb_from_pair

Missing = Literal["error", "mask"]
"""What becomes of a lead that is neither given nor follows from others: a ValueError, or masked as a store has it."""


@dataclass(frozen=True, slots=True)
class LeadOrder:
    """Which leads a recording has, in its own order."""

    places: tuple[int, ...] = tuple(range(len(LEADS)))
    """For each lead of the recording its place in ``LEADS``."""

    @property
    def derived(self) -> list[int]:
        """Places of the limb leads that are not given and follow exactly from two that are."""
        given = self._limb
        return [place for place in range(LIMB) if place not in given] if len(given) >= 2 else []

    @property
    def absent(self) -> list[str]:
        """Names of the leads that are neither given nor derived."""
        known = {*self.places, *self.derived}
        return [name for place, name in enumerate(LEADS) if place not in known]

    @property
    def _limb(self) -> list[int]:
        return sorted(place for place in self.places if place < LIMB)

    def arrange(self, record: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """``[leads, n]`` of the recording to ``[12, n]``, NaN where nothing is known: masked, infinite or absent.

        In float32 where the recording is and no lead is derived, which halves the memory that is gone through, and in
        float64 otherwise.
        """
        derived = self.derived
        is_exact = record.dtype == np.float32 and not derived
        arranged = np.full((len(LEADS), record.shape[-1]), np.nan, np.float32 if is_exact else np.float64)
        arranged[list(self.places)] = np.ma.filled(record.astype(arranged.dtype, copy=False), np.nan)
        arranged[~np.isfinite(arranged)] = np.nan
        if derived:
            pair = self._limb[:2]
            with np.errstate(over="ignore", invalid="ignore"):  # numbers that large are refused as no millivolts
                arranged[derived] = limb_from_pair(*pair)[derived] @ arranged[pair]
        return arranged


def lead_order(leads: Sequence[str] | None, missing: Missing) -> LeadOrder:
    """The order that ``leads`` names; None is the order of ``LEADS``, all twelve.

    Raises ValueError for a set, which has no order, for names that are none of the twelve, for one that is there twice,
    and, with ``missing="error"``, for leads that are absent.
    """
    if missing not in ("error", "mask"):
        raise ValueError(f"expected missing='error' or missing='mask', got {missing!r}")
    if leads is None:
        return LeadOrder()
    order = LeadOrder(tuple(lead_places(leads)))
    if order.absent and missing == "error":
        raise ValueError(
            f"leads {', '.join(order.absent)} are neither given nor derived from two limb leads: "
            "give them, or mask them with missing='mask'"
        )
    return order
