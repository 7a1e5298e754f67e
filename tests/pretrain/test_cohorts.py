"""Stores that do not go together are refused by name; a split is made once and then stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.pretrain.cohorts import common_profile, keep_split, open_cohorts, open_stores, split_stores
from cape_fed.pretrain.config import SplitConfig
from cape_fed.store.split import split_patients
from tests.conftest import TinyStore


def test_no_store_is_refused() -> None:
    with pytest.raises(InputError, match=r"data\.train=\[STORE"):
        open_stores([])


def test_a_cohort_given_twice_is_named(tiny_store: TinyStore) -> None:
    path = tiny_store("a").path
    with pytest.raises(InputError, match="cohort a is given twice"):
        open_stores([path, path])


def test_stores_of_two_profiles_are_both_named(tiny_store: TinyStore) -> None:
    one = tiny_store("a")
    other = tiny_store("b", profile="canonical500", signals=np.zeros((12, 12, 5000), np.int16))
    with pytest.raises(InputError, match=r"/b has profile canonical500 .*/a has compact100"):
        common_profile([one, other])


def test_a_split_is_made_once_and_then_stays(tiny_store: TinyStore, tmp_path: Path) -> None:
    store, path = tiny_store("a", patients=40), tmp_path / "splits" / "a.parquet"
    made = keep_split(store, SplitConfig(seed=1), path)
    again = keep_split(store, SplitConfig(seed=2), path)
    assert all(np.array_equal(one, other) for one, other in zip(made, again, strict=True))
    (cohort,) = open_cohorts([store.path], SplitConfig(seed=3), path.parent)
    assert np.array_equal(cohort.split.train, made.train)


def test_a_split_that_is_given_takes_the_place_of_a_new_one(tiny_store: TinyStore, tmp_path: Path) -> None:
    store = tiny_store("a", patients=40)
    given = split_patients(store, 5, (0.5, 0.25, 0.25))
    (cohort,) = open_cohorts([store.path], SplitConfig(), tmp_path / "splits", {"a": given})
    assert np.array_equal(cohort.split.test, given.test)
    assert np.array_equal(split_stores([store], SplitConfig(seed=5, valid=0.25, test=0.25))["a"].test, given.test)
