"""The law of the sampler: Binomial(M, q) disjoint blocks, cut anew from a uniform draw at every step."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cape_fed.privacy.roster import Slots
from cape_fed.privacy.sampler import BlockSampler


def slots(count: int, records: int = 2) -> Slots:
    counts = np.full(count, records)
    return Slots(np.arange(count * records), np.arange(count) * records, counts)


def test_disjoint_within_a_step_and_binomial_over_steps() -> None:
    sampler, draws = BlockSampler([slots(43)], 4, 0.3, 1), []
    for _ in range(4000):
        drawn = sampler.draw(0)
        assert len(np.unique(drawn)) == drawn.size
        draws.append(len(drawn))
    expected = stats.binom.pmf(np.arange(11), 10, 0.3) * len(draws)
    observed = np.bincount(draws, minlength=11)
    common = expected > 5
    observed, expected = (np.append(x[common], x[~common].sum()) for x in (observed, expected))
    assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_every_slot_comes_up_at_the_rate_and_with_anybody() -> None:
    steps, size, block, rate = 6000, 20, 4, 0.25
    sampler = BlockSampler([slots(size)], block, rate, 1)
    single, together = np.zeros(size), np.zeros((size, size))
    for _ in range(steps):
        for members in sampler.draw(0):
            single[members] += 1
            together[np.ix_(members, members)] += 1
    deviation = np.sqrt(steps * rate * (1 - rate))
    assert np.abs(single - steps * rate).max() < 5 * deviation
    pairs = together[np.triu_indices(size, 1)]
    chance = rate * (block - 1) / (size - 1)  # two given slots in one block that is taken
    assert np.abs(pairs - steps * chance).max() < 5.5 * np.sqrt(steps * chance)


def test_two_samplers_differ_and_a_batch_is_never_repeated() -> None:
    one, two = (BlockSampler([slots(400)], 4, 0.2, 1) for _ in range(2))
    batches = [one.batch(0), one.batch(0), two.batch(0)]
    assert len({batch.group.tobytes() for batch in batches}) == 3


def test_pairs_are_two_records_of_the_patient_and_views_repeat_the_block() -> None:
    sampler = BlockSampler([slots(40, records=3), slots(24, records=1)], 4, 1.0, 2)
    batch = sampler.batch(0)
    assert sampler.blocks == 10 + 6
    assert len(batch.group) == 16 * 2 * 4
    assert (np.diff(batch.cohort) >= 0).all()
    groups = batch.group.reshape(16, 2, 4)
    assert (groups[:, 0] == groups[:, 1]).all()
    home = batch.cohort == 0
    assert (batch.first[home] // 3 == batch.second[home] // 3).all()
    assert (batch.first[home] // 3 == batch.group[home]).all()
    assert (batch.first[home] != batch.second[home]).all()
    assert (batch.first[~home] == batch.second[~home]).all()
    assert (batch.group[~home] >= 40).all()


def test_every_other_record_is_as_likely() -> None:
    batch = BlockSampler([slots(4000, records=4)], 4, 1.0, 1).batch(0)
    kinds = np.bincount(4 * (batch.first % 4) + batch.second % 4, minlength=16).reshape(4, 4)
    assert (np.diag(kinds) == 0).all()
    assert stats.chisquare(kinds[~np.eye(4, dtype=bool)]).pvalue > 1e-4


def test_a_block_with_an_empty_slot_is_left_out() -> None:
    gone = slots(40)
    gone.count[7] = 0
    batch = BlockSampler([gone], 4, 1.0, 1).batch(0)
    assert len(batch.group) == 9 * 4
    assert 7 not in batch.group


@pytest.mark.parametrize("size", [3, 4])
def test_fewer_slots_than_a_block_make_none(size: int) -> None:
    assert BlockSampler([slots(size)], 4, 1.0, 1).draw(0).shape == (size // 4, 4)
