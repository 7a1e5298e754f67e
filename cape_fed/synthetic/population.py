"""Who the patients of a cohort are: age, sex, illness, number of visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

YOUNGEST, OLDEST = 18.0, 95.0
TERRITORIES = ("inferior", "anterior", "lateral")


class Risk(NamedTuple):
    """How common an illness is: its prevalence at 65 for a man, its growth with age, its odds in women."""

    at_65: float
    years_per_e_fold: float
    women: float


RISKS = {
    "AF": Risk(0.13, 17.0, 0.8),
    "LBBB": Risk(0.07, 18.0, 1.0),
    "LVH": Risk(0.16, 30.0, 0.9),
    "MI": Risk(0.17, 22.0, 0.6),
    "AVB1": Risk(0.09, 18.0, 0.8),
}
"""Prevalences of patients who are sent for an ECG in a hospital, far above those of people at large."""


@dataclass(frozen=True)
class Population:
    """The people that a hospital records. ``illness`` multiplies the reference risks; ``visits[i]`` is P(i + 1)."""

    age_mean: float
    age_sd: float
    women: float
    illness: Mapping[str, float] = field(default_factory=dict)
    visits: tuple[float, ...] = (0.42, 0.3, 0.17, 0.11)


@dataclass(frozen=True)
class Patients:
    """Demographics and illness, one entry a patient; severities are 0 where the patient is well, else in (0, 1]."""

    age: Floats
    female: Bools
    visits: NDArray[np.int64]
    af_burden: Floats
    """Share of the patient's records that are in AF: 0, below 1 where paroxysmal, 1 where permanent."""
    lbbb: Floats
    lvh: Floats
    mi: Floats
    mi_territory: NDArray[np.int64]
    """Index into ``TERRITORIES``; without meaning where ``mi`` is 0."""
    avb1: Floats


def draw_patients(population: Population, count: int, rng: np.random.Generator) -> Patients:
    """Draw ``count`` patients."""
    age = np.clip(rng.normal(population.age_mean, population.age_sd, count), YOUNGEST, OLDEST).astype(np.float32)
    female = rng.random(count) < population.women
    ill = {name: _ill(name, population, age, female, rng) for name in RISKS}
    severity = {name: np.where(ill[name], rng.uniform(0.2, 1.0, count), 0.0).astype(np.float32) for name in RISKS}
    # Hypertrophy and scars cannot be read, so are not coded, behind a left bundle branch block.
    conducting = ~ill["LBBB"]
    paroxysmal = rng.random(count) < 0.45
    return Patients(
        age=age,
        female=female,
        visits=1 + rng.choice(len(population.visits), count, p=population.visits),
        af_burden=np.where(ill["AF"], np.where(paroxysmal, 0.5, 1.0), 0.0).astype(np.float32),
        lbbb=severity["LBBB"],
        lvh=severity["LVH"] * conducting,
        mi=severity["MI"] * conducting,
        mi_territory=rng.choice(len(TERRITORIES), count, p=(0.45, 0.4, 0.15)),
        avb1=severity["AVB1"],
    )


def _ill(name: str, population: Population, age: Floats, female: Bools, rng: np.random.Generator) -> Bools:
    """Draw who has an illness; the risk grows exponentially with age up to a ceiling."""
    risk = RISKS[name]
    chance = risk.at_65 * np.exp((age - 65) / risk.years_per_e_fold) * np.where(female, risk.women, 1.0)
    chance *= population.illness.get(name, 1.0)
    return np.asarray(rng.random(len(age)) < np.minimum(chance, 0.6))
