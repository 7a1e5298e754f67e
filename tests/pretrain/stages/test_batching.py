"""Invariants of batches: one cohort each, distinct patients, nothing that depends on history."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.errors import InputError
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.stages.batching import Batching, InDistributionBatches, RandomBatches, make_batching
from cape_fed.pretrain.stages.pairs import PermutedPairs


def cohort(name: str, patients: int, seed: int = 0, offset: int = 0) -> PermutedPairs:
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(patients), rng.integers(1, 4, patients)))
    return PermutedPairs(name, np.arange(len(owner)) + offset, owner, seed=5)


COHORTS = [cohort("a", 20), cohort("b", 35, seed=1), cohort("c", 50, seed=2)]


def test_a_pair_is_one_patient_and_two_records_where_there_are_two() -> None:
    rng = np.random.default_rng(0)
    owner = rng.permutation(np.repeat(np.arange(30), rng.integers(1, 4, 30)))
    pairs = PermutedPairs("a", np.arange(len(owner)), owner, seed=0)
    first, second, patient = pairs.draw(0, 300)
    assert (owner[first] == patient).all()
    assert (owner[second] == patient).all()
    several = np.bincount(owner)[patient] > 1
    assert (first[several] != second[several]).all()
    assert (first[~several] == second[~several]).all()
    assert pairs.share_with_several == np.mean(np.bincount(owner) > 1)


def test_pairs_of_one_kind_only() -> None:
    owner = np.repeat(np.arange(30), np.random.default_rng(3).integers(1, 4, 30))
    rows = np.arange(len(owner)) + 100
    both, views, records = (
        PermutedPairs("a", rows, owner, 5, kind)  # type: ignore[arg-type]
        for kind in ("both", "augmentation", "patient")
    )
    first, second, patient = views.draw(0, 90)
    assert (first == second).all()
    assert np.array_equal(first, both.draw(0, 90)[0])
    assert views.patients == 30
    assert views.share_with_several == 0
    first, second, patient = records.draw(0, 90)
    assert (first != second).all()
    assert (owner[first - 100] == patient).all()
    assert (owner[second - 100] == patient).all()
    assert set(patient) == set(np.flatnonzero(np.bincount(owner) > 1))
    assert records.share_with_several == 1


def test_too_few_patients_with_several_records() -> None:
    single = PermutedPairs("a", np.arange(40), np.arange(40), 0, "patient")
    with pytest.raises(InputError, match="cohort a has 0 training patients with several records"):
        InDistributionBatches([single], 8, 10, 0)


def test_every_patient_once_an_epoch() -> None:
    pairs = cohort("a", 20)
    for epoch in range(3):
        _, _, patient = pairs.draw(20 * epoch, 20)
        assert sorted(patient) == list(range(20))


def test_every_other_record_of_a_patient_is_drawn_equally_often() -> None:
    pairs = PermutedPairs("a", np.arange(3), np.zeros(3, int), seed=0)
    first, second, _ = pairs.draw(0, 6000)
    counts = np.zeros((3, 3))
    np.add.at(counts, (first, second), 1)
    assert counts.diagonal().sum() == 0
    assert counts[~np.eye(3, dtype=bool)] == pytest.approx(1000, abs=120)


@given(begin=st.integers(0, 200), count=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_draws_do_not_depend_on_how_they_are_cut(begin: int, count: int) -> None:
    pairs = cohort("a", 20)
    whole = np.stack(pairs.draw(begin, count))
    single = np.concatenate([np.stack(pairs.draw(begin + i, 1)) for i in range(count)], axis=1)
    assert (whole == single).all()


@given(step=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_idb_batches_have_one_cohort(step: int) -> None:
    batch = make_batching("idb", COHORTS, 16, 100, 3).batch(step)
    assert len(set(batch.cohort)) == 1
    assert len(batch.first) == 16
    # A patient comes twice at most, where one epoch ends and the next begins within the batch.
    assert np.unique(batch.group, return_counts=True)[1].max() <= 2


def test_idb_draws_cohorts_in_proportion_to_their_patients() -> None:
    batching = InDistributionBatches(COHORTS, 16, 4000, seed=0)
    drawn = np.bincount([int(batching.batch(step).cohort[0]) for step in range(4000)]) / 4000
    assert drawn == pytest.approx(np.array([20, 35, 50]) / 105, abs=0.03)


def test_idb_goes_through_each_cohort_in_the_order_a_site_alone_would() -> None:
    together = InDistributionBatches(COHORTS, 10, 60, seed=0)
    alone = InDistributionBatches(COHORTS[1:2], 10, 60, seed=9)
    seen = [batch for batch in map(together.batch, range(60)) if batch.cohort[0] == 1]
    for index, batch in enumerate(seen):
        assert (batch.first == alone.batch(index).first).all()
        assert (batch.second == alone.batch(index).second).all()


@pytest.mark.parametrize("cross", [0.1, 0.5])
def test_cross_replaces_a_share_of_the_pairs_by_other_cohorts(cross: float) -> None:
    batching = make_batching(f"idb+cross:{cross}", COHORTS, 20, 50, 0)
    for step in range(50):
        counts = np.bincount(batching.batch(step).cohort, minlength=3)
        assert counts.sum() == 20
        assert counts.sum() - counts.max() <= round(20 * cross)
        assert (counts > 0).sum() >= 2


def test_random_batches_take_every_patient_of_the_pool_once_an_epoch() -> None:
    batching = RandomBatches(COHORTS, 15, 21, seed=0)
    groups = np.concatenate([batching.batch(step).group for step in range(21)])
    for epoch in range(3):
        assert len(set(groups[105 * epoch : 105 * (epoch + 1)])) == 105


def test_random_batches_mix_cohorts_by_size() -> None:
    batching = RandomBatches(COHORTS, 30, 100, seed=0)
    cohorts = np.concatenate([batching.batch(step).cohort for step in range(100)])
    assert np.bincount(cohorts) / len(cohorts) == pytest.approx(np.array([20, 35, 50]) / 105, abs=0.02)


@pytest.mark.parametrize("kind", ["idb", "random", "idb+cross:0.3"])
def test_a_batch_is_the_same_whenever_it_is_asked_for(kind: str) -> None:
    def make() -> Batching:
        return make_batching(kind, COHORTS, 12, 30, 4)

    forward, backward = make(), make()
    expected = [forward.batch(step) for step in range(30)]
    for step in reversed(range(30)):
        again = backward.batch(step)
        assert (again.first == expected[step].first).all()
        assert (again.group == expected[step].group).all()


def test_another_seed_gives_other_pairs() -> None:
    one, two = (PermutedPairs("a", np.arange(50), np.arange(50), seed) for seed in (0, 1))
    assert (one.draw(0, 50)[0] != two.draw(0, 50)[0]).any()


def test_groups_of_different_cohorts_never_meet() -> None:
    batch = RandomBatches([cohort("a", 40), cohort("b", 40)], 40, 4, seed=0).batch(0)
    mine, others = batch.group[batch.cohort == 0], batch.group[batch.cohort == 1]
    assert not set(mine) & set(others)


@pytest.mark.parametrize("kind", ["IDB", "idb+cross:", "idb+cross:1.5", "idb+cross:0.1.2", "cross", ""])
def test_unknown_kinds_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match="use random, idb or"):
        PretrainConfig(batching=kind)


def test_a_cohort_smaller_than_a_batch_is_named() -> None:
    with pytest.raises(InputError, match=r"cohort a has 20 training patients, train.pairs=32"):
        make_batching("idb", COHORTS, 32, 10, 0)
    with pytest.raises(InputError, match="105 training patients in all"):
        make_batching("random", COHORTS, 106, 10, 0)
