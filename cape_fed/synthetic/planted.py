"""Cohorts of one population and one machine that differ in one artefact only, or in all artefacts at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cape_fed.errors import InputError
from cape_fed.synthetic.cohort import CohortSpec
from cape_fed.synthetic.device import Device
from cape_fed.synthetic.flaws import FlawRates
from cape_fed.synthetic.population import Population

NONE, ALL = "none", "all"

_PEOPLE = Population(60, 15, 0.5)
_MACHINE = Device("planted", fs=500, hum=4)
_NO_FLAWS = FlawRates(0.0, 0.0, 0.0, 0.0)

_RATE = [{"fs": fs, "lowpass": min(150.0, 0.4 * fs), "lowpass_order": 4} for fs in (500, 250, 100, 125, 400)]
"""Sampling rates in Hz with their anti-alias filters, which are what remains of a rate after resampling."""
_HUM = [{"hum": hum} for hum in (1, 15, 60, 30, 90)]
"""Mains hum in µV at 50 Hz. A quarter of its power survives resampling to 100 Hz; at 60 Hz, nothing would."""
_PADDING = [{"pad_before": a, "pad_after": b} for a, b in ((0.0, 0.0), (1.5, 0.0), (0.0, 2.0), (1.0, 1.0), (2.5, 0.0))]
_GAIN = [{"gain": gain} for gain in (0.7, 1.0, 1.4, 0.5, 1.8)]
_STEP = [{"adc_step": step} for step in (2.5, 20.0, 60.0, 10.0, 40.0)]
_SWAP = [{"swapped": swapped} for swapped in (False, False, True, False, True)]

_PLANTED: dict[str, list[dict[str, Any]]] = {
    NONE: [{}, {}, {}, {}, {}],
    "gain": _GAIN,
    "mains": _HUM,
    "padding": _PADDING,
    "rate": _RATE,
    "adc-step": _STEP,
    "lead-swap": _SWAP,
    # The order differs between artefacts, so that no two of them increase together.
    ALL: [
        {**_GAIN[a], **_HUM[b], **_PADDING[c], **_RATE[d], **_STEP[e], **_SWAP[f]}
        for a, b, c, d, e, f in (
            (0, 1, 0, 1, 2, 0),
            (1, 2, 1, 0, 1, 1),
            (2, 0, 2, 2, 0, 2),
            (3, 3, 3, 3, 3, 3),
            (4, 4, 4, 4, 4, 4),
        )
    ],
}
"""How the machines of the five cohorts differ. The last two, for evaluation, have values that training never sees."""

CONDITIONS = tuple(_PLANTED)
"""No artefact, one artefact at a time, all at once."""


def planted_cohorts(condition: str) -> list[CohortSpec]:
    """The five cohorts of a condition, of which three are to train on; InputError for an unknown condition."""
    if condition not in _PLANTED:
        raise InputError(f"no planted artefact '{condition}': choose one of {', '.join(CONDITIONS)}")
    return [
        CohortSpec(
            name=f"{condition}-{letter}",
            role="train" if letter in "abc" else "evaluate",
            population=_PEOPLE,
            devices=(replace(_MACHINE, **changes),),
            flaws=_NO_FLAWS,
        )
        for letter, changes in zip("abcde", _PLANTED[condition], strict=True)
    ]
