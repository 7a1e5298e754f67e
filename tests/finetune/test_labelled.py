from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cape_fed.evaluate.cohorts import make_cohorts
from cape_fed.finetune.labelled import Labelled, batches, labelled, with_share_of_patients
from cape_fed.store.split import split_patients
from tests.finetune.conftest import MakeLabelled

TASKS = ["AF", "LVH"]


@pytest.fixture
def train(make_labelled: MakeLabelled) -> Labelled:
    stores = [make_labelled("a", 1), make_labelled("b", 2)]
    splits = {store.cohort: split_patients(store, 0) for store in stores}
    return labelled(make_cohorts(stores, [], splits, TASKS), "train", TASKS)


def test_holds_each_cohorts_train_records(train: Labelled) -> None:
    for index, (store, rows) in enumerate(train.by_store()):
        assert rows.tolist() == split_patients(store, 0).train.tolist()
        own = train.cohort == index
        for number, task in enumerate(TASKS):
            assert np.array_equal(train.targets[own, number], store.label(task)[rows], equal_nan=True)
    signals, valid = train.take(np.array([0, 3, len(train) - 1])).signals()
    first, second = train.stores
    assert np.array_equal(signals[:2], first.gather(train.rows[[0, 3]]))
    assert np.array_equal(signals[2], second.gather(train.rows[-1:])[0])
    assert valid.tolist() == [1000, 1000, 1000]


def test_patients_of_different_cohorts_are_different(train: Labelled) -> None:
    by_hand = [
        (cohort, train.stores[cohort].patients[row]) for cohort, row in zip(train.cohort, train.rows, strict=True)
    ]
    assert len(np.unique(train.patients)) == len(set(by_hand))
    assert train.support(0).patients == len(set(by_hand))


def test_smaller_shares_lie_in_larger_ones(train: Labelled) -> None:
    shares = [with_share_of_patients(train, fraction, seed=5) for fraction in (0.01, 0.1, 0.5, 1.0)]
    kept = [set(zip(share.cohort, share.rows, strict=True)) for share in shares]
    assert kept[0] < kept[1] < kept[2] < kept[3]
    assert np.array_equal(shares[3].rows, train.rows)
    # 42 train patients a cohort: 1 %, 10 % and half of them, rounded up
    assert [len(np.unique(share.patients)) for share in shares] == [2, 10, 42, 84]


def test_a_share_has_all_records_of_its_patients_and_depends_on_the_seed(train: Labelled) -> None:
    share = with_share_of_patients(train, 0.3, seed=1)
    assert set(Counter(share.patients.tolist()).values()) == {2}
    again, other = (with_share_of_patients(train, 0.3, seed=seed) for seed in (1, 2))
    assert np.array_equal(share.rows, again.rows)
    assert not np.array_equal(share.rows, other.rows)


@given(count=st.integers(1, 40), size=st.integers(1, 50), steps=st.integers(1, 12), seed=st.integers(0, 9))
def test_batches_take_every_record_before_any_comes_again(count: int, size: int, steps: int, seed: int) -> None:
    found = list(batches(count, size, steps, seed))
    assert len(found) == steps
    assert {len(batch) for batch in found} == {min(size, count)}
    seen = Counter(int(position) for batch in found for position in batch)
    assert max(seen.values()) - min(seen.get(position, 0) for position in range(count)) <= 1
