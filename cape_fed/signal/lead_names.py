"""Leads by name, as somebody gives them, to their places."""

from __future__ import annotations

from collections.abc import KeysView
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any

from cape_fed.signal.leads import LEAD_INDEX, LEADS, canonical_lead


def lead_places(leads: Any) -> list[int]:
    """Places in ``LEADS`` of leads by name, which are given as a list or whatever else has an order.

    ValueError for a set, for what is no list of names, for a name that is none of the twelve or there twice.
    """
    given = _names(leads)
    names = {name: canonical_lead(name) for name in given}
    if strange := [name for name, known in names.items() if known is None]:
        raise ValueError(f"leads {', '.join(strange)} are none of {', '.join(LEADS)}: leave them out of the array")
    known = [LEAD_INDEX[str(names[name])] for name in given]
    if twice := [LEADS[place] for place in sorted(set(known)) if known.count(place) > 1]:
        raise ValueError(f"leads {', '.join(twice)} are named more than once")
    return known


def _names(leads: Any) -> list[str]:
    if isinstance(leads, AbstractSet) and not isinstance(leads, KeysView):  # the keys of a dict keep their order
        raise ValueError("expected leads in the order that the array has, got a set, which has none: give a list")
    names: list[Any] = [None]
    if not isinstance(leads, str):
        with suppress(TypeError):
            names = list(leads)
    if not all(isinstance(name, str) for name in names):
        raise ValueError("expected leads as a list of names, for example ['I', 'II', 'V1']")
    if not names:
        raise ValueError("expected the name of at least one lead, got none")
    return names
