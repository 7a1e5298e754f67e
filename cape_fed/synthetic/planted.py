"""Cohorts with the same kind of people and the same machine but for one artefact, or for all of them at once."""

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
"""Native rates in Hz with the anti-alias filter that each brings: what is left of a rate once all are resampled."""
_HUM = [{"hum": hum} for hum in (1, 15, 60, 30, 90)]
"""µV at 50 Hz: a quarter of the power of it passes the resampling to 100 Hz, nothing at 60 Hz does."""
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
    # In another order for each artefact, so that no two of them rise together.
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
"""How the machine of each of five cohorts differs: three to train on, two to evaluate on with values of their own."""

CONDITIONS = tuple(_PLANTED)
"""No artefact, each of them alone, all at once."""


def planted_cohorts(condition: str) -> list[CohortSpec]:
    """The five cohorts of a condition, three with the role of training; InputError for one that there is not."""
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
