"""The cohorts that ``cape-fed synth`` writes: six are specified by hand, further ones are drawn at random."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Literal

import numpy as np

from cape_fed.errors import InputError
from cape_fed.seeds import derive_rng
from cape_fed.synthetic.cohort import CohortSpec
from cape_fed.synthetic.device import Device
from cape_fed.synthetic.population import RISKS, Population

MOST_COHORTS = 500

_A = Device("Alder 500", fs=500, highpass=0.05, lowpass=150, wander=35, hum=4, floor=2, adc_step=5)
_A2 = Device("Alder 500 v2", fs=500, highpass=0.05, lowpass=100, wander=35, hum=2, floor=1.5, adc_step=2.5)
_B = Device(
    "Birch 400", fs=400, seconds=10.24, pad_before=1.47, pad_after=1.47, highpass=0.5, lowpass=35, lowpass_order=3,
    mains=60, hum=14, wander=90, wander_hz=0.3, muscle=9, floor=3, gain=1.25, adc_step=4.88, augmented="AVR",
)  # fmt: skip
_C = Device(
    "Cedar 250", fs=250, highpass=0.5, highpass_order=2, lowpass=40, lowpass_order=4, mains=60, hum=8, wander=25,
    muscle=3, floor=5, floor_colour=0.6, gain=0.75, gain_spread=0.04, adc_step=19.5,
)  # fmt: skip
_D = Device(
    "Durmast 1000", fs=1000, highpass=0.05, lowpass=120, hum=10, wander=140, wander_hz=0.15, muscle=14, floor=4,
    gain=1.0, adc_step=1, augmented="avr",
)  # fmt: skip
_E = Device(
    "Elm 257", fs=257, highpass=0.15, lowpass=60, lowpass_order=3, mains=50, hum=10, wander=70, wander_hz=0.2,
    muscle=8, floor=6, floor_colour=0.3, gain=1.4, gain_spread=0.03, adc_step=10,
)  # fmt: skip
_F = Device(
    "Fir 360", fs=360, seconds=12, pad_before=0.5, highpass=0.3, highpass_order=2, lowpass=25, lowpass_order=2,
    mains=60, hum=14, wander=110, wander_hz=0.4, muscle=11, floor=2.5, floor_colour=0.5, gain=0.6, adc_step=7.5,
    augmented="AVR",
)  # fmt: skip

SPECS = (
    CohortSpec("synth-a", "train", Population(62, 15, 0.47), (_A, _A2), (0.7, 0.3)),
    CohortSpec("synth-b", "train", Population(53, 17, 0.60, {"MI": 0.6, "LVH": 1.5}), (_B,)),
    CohortSpec("synth-c", "train", Population(68, 12, 0.42, {"AF": 1.4, "LBBB": 1.4}), (_C,)),
    CohortSpec("synth-d", "train", Population(57, 14, 0.50, {"AF": 0.7, "MI": 1.4, "AVB1": 1.3}), (_D,)),
    CohortSpec("synth-e", "evaluate", Population(59, 16, 0.55, {"AVB1": 1.4}), (_E,)),
    CohortSpec("synth-f", "evaluate", Population(65, 13, 0.45, {"AF": 1.2, "LVH": 0.7}), (_F,)),
)
"""Four hospitals to train on, and two with other patients and other machines to evaluate on."""


def default_cohorts(count: int, seed: int) -> list[CohortSpec]:
    """Return ``count`` cohorts: up to six are specified by hand, further ones are drawn from ``seed``.

    Of the first six, at most two and at most half are for evaluation. A cohort of a given name does not depend on
    ``count``. Raises InputError if ``count`` is not between 1 and 500.
    """
    if not 1 <= count <= MOST_COHORTS:
        raise InputError(f"cannot write {count} cohorts: ask for 1 to {MOST_COHORTS}")
    train = [spec for spec in SPECS if spec.role == "train"]
    evaluate = [spec for spec in SPECS if spec.role == "evaluate"]
    if count < len(SPECS):
        held_out = min(len(evaluate), count // 2)
        return train[: count - held_out] + evaluate[:held_out]
    return [*SPECS, *(_draw_cohort(number, seed) for number in range(len(SPECS), count))]


def _draw_cohort(number: int, seed: int) -> CohortSpec:
    """Draw the specification of cohort ``number``; every third one is for evaluation."""
    name = f"synth-{_letters(number)}"
    return draw_cohort(name, "evaluate" if number % 3 == 2 else "train", seed)


def draw_cohort(name: str, role: Literal["train", "evaluate"], seed: int) -> CohortSpec:
    """Draw the people and the machine of a hospital, which depend on its name and on ``seed`` alone."""
    rng = derive_rng(seed, "synthetic", name, "specification")
    factor = {illness: float(np.exp(0.35 * rng.standard_normal())) for illness in RISKS}
    age, spread, women = rng.uniform((48, 11, 0.35), (72, 18, 0.65)).tolist()
    population = Population(age, spread, women, factor)
    return CohortSpec(name, role, population, (_draw_device(f"Device {name}", rng),))


def _draw_device(name: str, rng: np.random.Generator) -> Device:
    """Draw a machine whose properties lie in the range of those specified by hand."""

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    padded = rng.random() < 0.3
    return Device(
        name,
        fs=float(rng.choice([250, 257, 360, 400, 500, 1000])),
        pad_before=float(rng.uniform(0, 1.5)) if padded else 0.0,
        pad_after=float(rng.uniform(0, 1.5)) if padded else 0.0,
        highpass=between(0.05, 0.67),
        highpass_order=int(rng.integers(1, 3)),
        lowpass=between(25, 110),
        lowpass_order=int(rng.integers(2, 5)),
        mains=50 if rng.random() < 0.6 else 60,
        hum=between(2, 20),
        wander=between(25, 140),
        wander_hz=between(0.15, 0.4),
        muscle=between(3, 14),
        floor=between(1.5, 6),
        floor_colour=float(rng.uniform(0, 0.6)),
        gain=between(0.6, 1.5),
        gain_spread=float(rng.uniform(0.01, 0.04)),
        adc_step=between(1, 20),
        augmented=rng.choice(["aVR", "AVR", "avr"]),
    )


def _letters(number: int) -> str:
    """The letters of a cohort: a to z, then aa, ab and so on."""
    if number < len(ascii_lowercase):
        return ascii_lowercase[number]
    return _letters(number // len(ascii_lowercase) - 1) + ascii_lowercase[number % len(ascii_lowercase)]
