"""Kinds of worlds: what the hospitals of one differ in far more than hospitals that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from scipy.optimize import brentq

from cape_fed.seeds import derive_rng
from cape_fed.synthetic.cohort import CohortSpec
from cape_fed.synthetic.population import RISKS, Population, chances

Kind = Literal["drawn", "labels", "machines"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PREVALENCES = (0.05, 0.1, 0.2, 0.4)
"""Of each illness in the four cohorts to train on, in an order of its own."""
EVEN = 0.15
"""Of each illness in the cohorts to evaluate on."""

MACHINES: Mapping[str, Sequence[float]] = {
    "highpass": (0.05, 0.2, 0.6, 1.5),
    "lowpass": (15.0, 22.0, 32.0, 45.0),
    "wander": (15.0, 50.0, 150.0, 400.0),
    "wander_hz": (0.1, 0.2, 0.4, 0.8),
    "muscle": (2.0, 6.0, 15.0, 35.0),
    "floor_colour": (0.0, 0.35, 0.7, 1.0),
}
"""What is left of a machine after the profile, and its values at the four machines to train on. Machines to evaluate on
have values between neighbouring ones of these."""


def as_kind(kind: Kind, cohorts: Sequence[CohortSpec], seed: int) -> list[CohortSpec]:
    """The cohorts of a world, with labels or machines that differ widely between those that train.

    ``drawn``: as they are. ``labels``: every illness is eight times as frequent in one training cohort as in another,
    and equally frequent in all cohorts to evaluate on. ``machines``: filters, baseline wander, muscle and the noise's
    colour, which survive resampling, are spread as widely.
    """
    rng = derive_rng(seed, "world", kind)
    return _CHANGES[kind](list(cohorts), rng)


def factor_for(illness: str, prevalence: float, population: Population) -> float:
    """The factor on an illness's risk by which so large a share of a population has it, women and ages counted in."""
    ages = np.random.default_rng(0).normal(population.age_mean, population.age_sd, 4000)

    def excess(logarithm: float) -> float:
        changed = replace(population, illness={illness: float(np.exp(logarithm))})
        men, women = (chances(illness, changed, ages, np.full(len(ages), sex)).mean() for sex in (False, True))
        return float((1 - population.women) * men + population.women * women) - prevalence

    return float(np.exp(brentq(excess, -10, 10, xtol=1e-4)))


def _as_drawn(cohorts: list[CohortSpec], _: np.random.Generator) -> list[CohortSpec]:
    return cohorts


def _skew_labels(cohorts: list[CohortSpec], rng: np.random.Generator) -> list[CohortSpec]:
    orders = {illness: iter(rng.permutation(PREVALENCES).tolist()) for illness in RISKS}
    return [
        replace(cohort, population=_with(cohort.population, {illness: _next(cohort, orders[illness], EVEN)
                                                             for illness in RISKS}))
        for cohort in cohorts
    ]  # fmt: skip


def _with(population: Population, prevalences: Mapping[str, float]) -> Population:
    return replace(
        population, illness={name: factor_for(name, share, population) for name, share in prevalences.items()}
    )


def _spread_machines(cohorts: list[CohortSpec], rng: np.random.Generator) -> list[CohortSpec]:
    orders = {name: iter(rng.permutation(values).tolist()) for name, values in MACHINES.items()}
    spread = []
    for cohort in cohorts:
        changes: dict[str, Any] = {
            name: _next(cohort, orders[name], _between(MACHINES[name], rng)) for name in MACHINES
        }
        spread.append(replace(cohort, devices=tuple(replace(device, **changes) for device in cohort.devices)))
    return spread


def _next(cohort: CohortSpec, values: Iterator[float], otherwise: float) -> float:
    return next(values) if cohort.role == "train" else otherwise


def _between(values: Sequence[float], rng: np.random.Generator) -> float:
    place = int(rng.integers(len(values) - 1))
    return float(rng.uniform(values[place], values[place + 1]))


_CHANGES: Mapping[Kind, Callable[[list[CohortSpec], np.random.Generator], list[CohortSpec]]] = {
    "drawn": _as_drawn,
    "labels": _skew_labels,
    "machines": _spread_machines,
}
