"""What the feed hands to the learner is what stands in the stores, pair by pair, whichever way it is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cape_fed.pretrain.feed import Feed
from cape_fed.pretrain.stages.batching import RandomBatches
from cape_fed.pretrain.stages.pairs import PermutedPairs
from cape_fed.store.store import Store
from tests.conftest import TinyStore

CPU = torch.device("cpu")
PAIRS = 8


@pytest.fixture
def stores(tiny_store: TinyStore) -> list[Store]:
    return [tiny_store(name, patients=12) for name in ("a", "b")]


def batches(stores: list[Store]) -> RandomBatches:
    samplers = [PermutedPairs(s.cohort, np.arange(len(s)), s.patients, 0) for s in stores]
    return RandomBatches(samplers, PAIRS, 10, 0)


def test_pairs_are_read_from_the_rows_that_the_batch_names(stores: list[Store]) -> None:
    batch = batches(stores).batch(3)
    pairs = Feed(stores, batches(stores), CPU).load(3)
    assert torch.equal(pairs.group, torch.from_numpy(batch.group))
    assert torch.equal(pairs.cohort, torch.from_numpy(batch.cohort))
    for (signals, valid), rows in ((pairs.first, batch.first), (pairs.second, batch.second)):
        for index, (cohort, row) in enumerate(zip(batch.cohort, rows, strict=True)):
            assert np.array_equal(signals[index].numpy(), stores[cohort].signals[row])
            assert valid[index] == stores[cohort].valid[row]


def test_the_stream_is_the_steps_one_by_one(stores: list[Store]) -> None:
    feed = Feed(stores, batches(stores), CPU)
    streamed = dict(feed.stream(2, 5))
    assert list(streamed) == [2, 3, 4]
    for step, pairs in streamed.items():
        assert torch.equal(pairs.first[0], feed.load(step).first[0])
    assert list(feed.stream(5, 5)) == []


def test_parts_of_processes_make_up_the_batch(stores: list[Store]) -> None:
    whole = Feed(stores, batches(stores), CPU).load(0)
    parts = [Feed(stores, batches(stores), CPU, part).load(0) for part in (slice(0, 4), slice(4, 8))]
    assert torch.equal(torch.cat([part.second[0] for part in parts]), whole.second[0])
    assert torch.equal(torch.cat([part.group for part in parts]), whole.group)
