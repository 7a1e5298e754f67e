"""Pretraining subsets of equal size that differ in one property of their patients and in no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cape_fed.errors import InputError
from cape_fed.evaluate.artefact.matching import AGE_BAND
from cape_fed.section import Section
from cape_fed.seeds import derive_rng

Factor = Literal["age", "women", "ill", "cohorts", "sizes"]
Bools = NDArray[np.bool_]


class SubsetConfig(Section):
    """Which property differs, and how: what a level means depends on the factor."""

    factor: Factor = Field(
        description="age: [from, below]; women, ill: their share; cohorts: how many; sizes: relative sizes of them"
    )
    levels: dict[str, float | tuple[float, ...]] = Field(min_length=2)
    patients: int = Field(gt=0, description="training patients of every subset, over all cohorts")


class _Part(NamedTuple):
    """Some of a subset's patients: from among whom, and what share of the whole they are."""

    among: Bools
    share: float


def draw_subsets(patients: pd.DataFrame, config: SubsetConfig, seed: int) -> dict[str, NDArray[np.int64]]:
    """Draw one subset a level: rows of ``patients`` (see `training_patients`), ascending.

    All subsets have ``config.patients`` patients. In every stratum of the other properties (cohort, ten years of age,
    sex, ill; without the one that differs) every level gets as many, up to rounding: as many as the level that has
    least of them can give. Raises InputError where there is nobody, or where the levels have too few patients in
    common strata.
    """
    if patients.empty:
        raise InputError(
            "no training patient has a known age, sex and label: subsets cannot be matched; give other stores in "
            "data.train, or leave the question out with --question OTHER"
        )
    strata = _strata(patients, config.factor)
    levels = {name: _parts(patients, config.factor, value, seed) for name, value in config.levels.items()}
    quota = _quota(levels, strata)
    if quota.sum() < config.patients:
        raise InputError(
            f"subsets by {config.factor} can be matched for {int(quota.sum())} patients, {config.patients} are asked "
            "for: lower patients=, or take levels that overlap more in the other properties"
        )
    wanted = _round(quota * config.patients / quota.sum(), config.patients)
    return {
        name: np.sort(_draw(parts, strata, wanted, derive_rng(seed, "subset", config.factor, name)))
        for name, parts in levels.items()
    }


def balance(patients: pd.DataFrame, subsets: Mapping[str, NDArray[np.int64]]) -> pd.DataFrame:
    """What subsets are like, a row a level: ``patients``, mean ``age``, shares ``women`` and ``ill``, ``cohorts``."""
    rows = {}
    for name, chosen in subsets.items():
        own = patients.iloc[chosen]
        rows[name] = {
            "patients": len(own),
            "age": own["age"].mean(),
            "women": own["woman"].mean(),
            "ill": own["ill"].mean(),
            "cohorts": own["cohort"].nunique(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _strata(patients: pd.DataFrame, factor: Factor) -> NDArray[np.int64]:
    """Stratum ``[P]`` of each patient by all properties but the one that differs."""
    columns = {
        "cohorts": patients["cohort"],
        "age": patients["age"] // AGE_BAND,
        "women": patients["woman"],
        "ill": patients["ill"],
    }
    columns.pop("cohorts" if factor == "sizes" else factor)
    return np.asarray(pd.DataFrame(columns).groupby(list(columns)).ngroup(), np.int64)


def _parts(patients: pd.DataFrame, factor: Factor, value: float | tuple[float, ...], seed: int) -> list[_Part]:
    """What a level is made of; InputError where its value does not fit the factor."""
    cohort = patients["cohort"].to_numpy()
    count = int(cohort.max()) + 1
    if factor == "age" and isinstance(value, tuple) and len(value) == 2 and value[0] < value[1]:
        age = patients["age"].to_numpy()
        return [_Part((value[0] <= age) & (age < value[1]), 1.0)]
    if factor in ("women", "ill") and isinstance(value, float) and 0 <= value <= 1:
        has = patients["woman" if factor == "women" else "ill"].to_numpy()
        return [_Part(has, value), _Part(~has, 1 - value)]
    if factor == "cohorts" and isinstance(value, float) and value in range(1, count + 1):
        first = seed % count  # another cohort comes first with every seed
        return [_Part(cohort == (first + i) % count, 1 / value) for i in range(int(value))]
    if factor == "sizes" and isinstance(value, tuple) and len(value) == count and min(value) > 0:
        return [_Part(cohort == i, size / sum(value)) for i, size in enumerate(value)]
    raise InputError(
        f"a level {value} of {factor} does not fit {count} training cohorts: give others in data.train, or leave the "
        "question out with --question OTHER"
    )


def _quota(levels: Mapping[str, Sequence[_Part]], strata: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many patients ``[S]`` of each stratum every level can give."""
    count = int(strata.max()) + 1
    able = [
        np.bincount(strata[part.among], minlength=count) / part.share
        for parts in levels.values()
        for part in parts
        if part.share > 0
    ]
    return np.asarray(np.floor(np.min(able, axis=0)))


def _draw(
    parts: Sequence[_Part], strata: NDArray[np.int64], wanted: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw ``wanted [S]`` patients of each stratum, divided over the parts by their shares."""
    shares = np.array([part.share for part in parts])
    owed = np.zeros(len(parts))
    chosen = []
    for stratum, count in enumerate(wanted):
        exact = shares * count
        counts = _round(exact, int(count), owed)
        owed += exact - counts  # what rounding took from a part here it gets in a later stratum
        for part, number in zip(parts, counts, strict=True):
            chosen.append(rng.permutation(np.flatnonzero(part.among & (strata == stratum)))[:number])
    return np.concatenate(chosen)


def _round(exact: NDArray[np.float64], total: int, owed: NDArray[np.float64] | float = 0.0) -> NDArray[np.int64]:
    """``exact`` rounded down or up to whole numbers that sum to ``total``; the largest remainders go up.

    ``owed`` is added to the remainders.
    """
    whole = np.floor(exact + 1e-9)
    rest = np.where(exact - whole > 1e-9, exact - whole + owed, -np.inf)
    whole[np.argsort(-rest, kind="stable")[: total - int(whole.sum())]] += 1
    return whole.astype(np.int64)
