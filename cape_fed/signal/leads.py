"""Names and order of the twelve standard leads."""

from __future__ import annotations

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Order of the lead axis everywhere in cape-fed."""

LEAD_INDEX = {name: index for index, name in enumerate(LEADS)}

_BY_SPELLING = {name.upper(): name for name in LEADS}
_BY_SPELLING |= {"DI": "I", "DII": "II", "DIII": "III", "D1": "I", "D2": "II", "D3": "III"}


def canonical_lead(name: str) -> str | None:
    """Return the standard spelling of a lead, or None for anything that is not one of the twelve.

    Accepts the spellings seen in public archives: ``AVR``, ``avr``, ``Lead II``, ``ECG_V1``, ``MDC_ECG_LEAD_V1``,
    and ``DII`` or ``D2`` as in Brazil.
    """
    spelling = name.strip().upper().replace(" ", "_")
    for prefix in ("MDC_ECG_LEAD_", "ECG_LEAD_", "LEAD_", "ECG_"):
        spelling = spelling.removeprefix(prefix)
    return _BY_SPELLING.get(spelling.strip("_+"))
