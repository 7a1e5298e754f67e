"""Voltage units as archives spell them."""

from __future__ import annotations

_MICRO = ("uv", "µv", "μv", "microv", "microvolt", "microvolts")
_MILLI = ("mv", "milliv", "millivolt", "millivolts")

_PER_SPELLING = {
    **dict.fromkeys(_MILLI, 1.0),
    **dict.fromkeys(_MICRO, 1e-3),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-6),
    **dict.fromkeys(("v", "volt", "volts"), 1e3),
}


def millivolts_per(unit: str) -> float | None:
    """Return how many mV one ``unit`` is, None for a unit that is not a voltage.

    Case is ignored: ECG archives write ``MV`` for millivolt, never for megavolt.
    """
    return _PER_SPELLING.get(unit.strip().lower())
