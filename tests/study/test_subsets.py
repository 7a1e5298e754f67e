"""Subsets differ in one property, are equally large and alike in everything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.errors import InputError
from cape_fed.store.split import split_patients
from cape_fed.study.population import training_patients
from cape_fed.study.subsets import SubsetConfig, balance, draw_subsets
from tests.conftest import TinyStore

LEVELS: dict[str, dict[str, Any]] = {
    "age": {"young": [18, 50], "old": [65, 100]},
    "women": {"men": 0, "half": 0.5, "women": 1},
    "ill": {"well": 0, "third": 1 / 3, "ill": 1},
    "cohorts": {"one": 1, "two": 2, "all": 3},
    "sizes": {"even": [1, 1, 1], "uneven": [6, 2, 1]},
}


def people(seed: int, count: int = 1500) -> pd.DataFrame:
    """Three cohorts in which age, sex and illness hang together."""
    rng = np.random.default_rng(seed)
    cohort = rng.integers(0, 3, count)
    age = rng.normal(45 + 8 * cohort, 16).clip(18, 95)
    woman = rng.random(count) < 0.35 + 0.1 * cohort
    ill = rng.random(count) < 0.2 + 0.4 * (age - 18) / 77 + 0.1 * woman
    return pd.DataFrame({"cohort": cohort, "age": age, "woman": woman, "ill": ill})


def config(factor: str, patients: int = 60) -> SubsetConfig:
    return SubsetConfig.model_validate({"factor": factor, "levels": LEVELS[factor], "patients": patients})


@pytest.mark.parametrize("factor", LEVELS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_equal_in_size_and_without_repetition(factor: str, seed: int) -> None:
    patients = people(seed)
    for rows in draw_subsets(patients, config(factor), seed).values():
        assert len(rows) == len(set(rows)) == 60


def test_the_property_differs_as_asked() -> None:
    patients = people(1)
    shown = {factor: balance(patients, draw_subsets(patients, config(factor), 0)) for factor in LEVELS}
    assert shown["age"].loc["young", "age"] < 50 < 65 < shown["age"].loc["old", "age"]
    assert shown["women"]["women"].tolist() == [0, 0.5, 1]
    assert shown["ill"]["ill"].round(3).tolist() == [0, 0.333, 1]
    assert shown["cohorts"]["cohorts"].tolist() == [1, 2, 3]
    uneven = draw_subsets(patients, config("sizes"), 0)["uneven"]
    assert np.bincount(patients["cohort"].to_numpy()[uneven]).tolist() == [40, 13, 7]


@pytest.mark.parametrize("factor", LEVELS)
def test_everything_else_is_alike(factor: str) -> None:
    """In every stratum of the other properties the levels differ by rounding and no more: 1 a part."""
    patients = people(2, 4000)
    subsets = draw_subsets(patients, config(factor, 200), 0)
    strata = {"cohorts": "cohort", "age": "band", "women": "woman", "ill": "ill"}
    strata.pop({"sizes": "cohorts"}.get(factor, factor))
    patients["band"] = patients["age"] // 10
    counts = [patients.iloc[rows].groupby(list(strata.values())).size() for rows in subsets.values()]
    table = pd.concat(counts, axis=1).fillna(0)
    assert (table.max(axis=1) - table.min(axis=1) <= 1e-9).all()


def test_without_matching_age_would_bring_illness_with_it() -> None:
    """The check above can fail: the oldest are more often ill in these cohorts."""
    patients = people(3)
    young, old = patients[patients["age"] < 50], patients[patients["age"] >= 65]
    assert old["ill"].mean() > young["ill"].mean() + 0.1
    shown = balance(patients, draw_subsets(patients, config("age"), 0))
    assert shown["ill"].nunique() == 1


def test_another_seed_draws_others_and_the_same_seed_the_same() -> None:
    patients = people(4)
    one, again, other = (draw_subsets(patients, config("women"), seed)["half"] for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_one_cohort_is_another_one_with_every_seed() -> None:
    patients = people(5)
    chosen = [draw_subsets(patients, config("cohorts"), seed)["one"] for seed in range(3)]
    assert sorted(int(patients["cohort"].iloc[rows[0]]) for rows in chosen) == [0, 1, 2]


def test_more_than_can_be_matched() -> None:
    with pytest.raises(InputError, match=r"subsets by ill can be matched for \d+ patients, 1400 are asked for"):
        draw_subsets(people(6), config("ill", 1400), 0)


@pytest.mark.parametrize("factor", LEVELS)
def test_nobody_who_is_known(factor: str) -> None:
    with pytest.raises(InputError, match="no training patient has a known age, sex and label: subsets cannot"):
        draw_subsets(people(6).iloc[:0], config(factor), 0)


@pytest.mark.parametrize(("factor", "value"), [("age", 40), ("women", 1.5), ("cohorts", 4), ("sizes", [1, 2])])
def test_levels_that_do_not_fit(factor: str, value: Any) -> None:
    wrong = SubsetConfig.model_validate({"factor": factor, "levels": {"x": value, "y": value}, "patients": 9})
    with pytest.raises(InputError, match=f"a level .* of {factor} does not fit 3 training cohorts"):
        draw_subsets(people(7), wrong, 0)


def test_training_patients_of_stores(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=40)
    split = split_patients(store, 0)
    table = training_patients([store, store], {"a": split})
    train = set(np.unique(store.patients[split.train]))
    assert set(table["patient"]) <= train
    assert table["cohort"].value_counts().nunique() == 1
    for row in table[table["cohort"] == 0].itertuples():
        own = np.isin(np.arange(len(store)), split.train) & (store.patients == row.patient)
        positive = (store.label("AF")[own] == 1) | (store.label("LVH")[own] == 1)
        assert row.ill == positive.any()
        assert row.age == pytest.approx(np.nanmean(store.label("age")[own]))
