"""Pairs of one cohort: every patient once an epoch, and the kind of positive that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from cape_fed.pretrain.stages.pairs import PermutedPairs

PATIENTS = np.array([0, 0, 0, 1, 2, 2, 3])
ROWS = np.arange(10, 17)
OWNER = dict(zip(ROWS.tolist(), PATIENTS.tolist(), strict=True))


def pairs(positives: str = "both", seed: int = 0, name: str = "a") -> PermutedPairs:
    return PermutedPairs(name, ROWS, PATIENTS, seed, positives)  # type: ignore[arg-type]


def test_every_patient_comes_once_an_epoch() -> None:
    for epoch in range(5):
        _, _, patients = pairs().draw(4 * epoch, 4)
        assert sorted(patients.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(("begin", "count"), [(0, 9), (3, 2), (7, 13)])
def test_a_stretch_is_the_same_in_one_piece_and_pair_by_pair(begin: int, count: int) -> None:
    whole = np.stack(pairs().draw(begin, count))
    single = np.concatenate([np.stack(pairs().draw(begin + index, 1)) for index in range(count)], axis=1)
    assert np.array_equal(whole, single)


def test_both_records_are_the_patients_and_differ_where_there_are_two() -> None:
    first, second, patients = pairs().draw(0, 400)
    several = np.isin(patients, [0, 2])
    assert [OWNER[row] for row in first.tolist()] == patients.tolist() == [OWNER[row] for row in second.tolist()]
    assert (first[several] != second[several]).all()
    assert (first[~several] == second[~several]).all()
    assert pairs().share_with_several == 0.5


def test_augmentation_pairs_every_record_with_itself() -> None:
    sampler = pairs("augmentation")
    first, second, _ = sampler.draw(0, 100)
    assert (first == second).all()
    assert sampler.share_with_several == 0.0


def test_patient_leaves_out_those_with_one_record() -> None:
    sampler = pairs("patient")
    first, second, patients = sampler.draw(0, 100)
    assert sampler.patients == 2
    assert set(patients.tolist()) == {0, 2}
    assert (first != second).all()


def test_seed_and_name_decide_what_is_drawn() -> None:
    drawn = [np.stack(one.draw(0, 40)) for one in (pairs(), pairs(seed=1), pairs(name="b"), pairs())]
    assert np.array_equal(drawn[0], drawn[3])
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
