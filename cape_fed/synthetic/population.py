"""The patients of a cohort: age, sex, illnesses, number of visits."""

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
    """How common an illness is: prevalence in men aged 65, years in which it grows by e, ratio of women to men."""

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
"""Risks of patients whose ECG is taken in a hospital, which are far above those of the general population."""


@dataclass(frozen=True)
class Population:
    """The patients of a hospital. ``illness`` multiplies ``RISKS``; ``visits[i]`` is the chance of i + 1 visits."""

    age_mean: float
    age_sd: float
    women: float
    illness: Mapping[str, float] = field(default_factory=dict)
    visits: tuple[float, ...] = (0.42, 0.3, 0.17, 0.11)


@dataclass(frozen=True)
class Patients:
    """Demographics and illnesses, one entry for each patient; a severity is 0 if absent, otherwise in (0, 1]."""

    age: Floats
    female: Bools
    visits: NDArray[np.int64]
    af_burden: Floats
    """Probability that a record shows AF: 0 without AF, below 1 if it is paroxysmal, 1 if it is permanent."""
    lbbb: Floats
    lvh: Floats
    mi: Floats
    mi_territory: NDArray[np.int64]
    """Index into ``TERRITORIES``; has no meaning if ``mi`` is 0."""
    avb1: Floats


def draw_patients(population: Population, count: int, rng: np.random.Generator) -> Patients:
    """Draw ``count`` patients."""
    age = np.clip(rng.normal(population.age_mean, population.age_sd, count), YOUNGEST, OLDEST).astype(np.float32)
    female = rng.random(count) < population.women
    ill = {name: _ill(name, population, age, female, rng) for name in RISKS}
    severity = {name: np.where(ill[name], rng.uniform(0.2, 1.0, count), 0.0).astype(np.float32) for name in RISKS}
    # A left bundle branch block hides hypertrophy and scars, so that nobody would have coded them.
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
    """Draw who has an illness."""
    return np.asarray(rng.random(len(age)) < chances(name, population, age, female))


def chances(name: str, population: Population, age: NDArray[np.floating], female: Bools) -> NDArray[np.float64]:
    """The risk ``[n]`` of an illness, which grows exponentially with age up to a maximum."""
    risk = RISKS[name]
    chance = risk.at_65 * np.exp((age - 65) / risk.years_per_e_fold) * np.where(female, risk.women, 1.0)
    chance *= population.illness.get(name, 1.0)
    return np.asarray(np.minimum(chance, 0.6))
