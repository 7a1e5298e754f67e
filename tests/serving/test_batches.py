"""How requests are put together into batches, without a server."""

from __future__ import annotations

import asyncio
import threading
from math import inf
from typing import Any

import numpy as np
import pytest

from cape_fed.serving.batches import Batcher, Prepared
from cape_fed.serving.options import Limits
from cape_fed.serving.refusal import RefusedError


def batches(limits: Limits, sizes: list[int], at_once: int, deadline: float = inf) -> tuple[list[int], list[Any]]:
    """Sizes of the batches that are made of requests that come together, and what is answered to each request.

    No batch ends before as many as can be computed at once have begun. Each recording is its number; its embedding too.
    """
    made: list[int] = []
    all_there, all_begun = threading.Event(), threading.Barrier(at_once)

    def encode(signals: Any, valid: Any) -> Any:
        made.append(len(signals))
        all_begun.wait(20)
        return signals[:, 0, :1].astype(np.float32)

    def prepare(first: int, size: int) -> Prepared:
        assert all_there.wait(20)
        numbers = np.arange(first, first + size, dtype=np.int16)
        return Prepared(numbers[:, None, None].repeat(12, 1), np.ones(size, int), lambda found: found.tobytes())

    async def ask() -> list[Any]:
        batcher = Batcher(encode, limits, at_once)
        firsts = np.cumsum([0, *sizes[:-1]]).tolist()
        calls = [
            asyncio.create_task(batcher.embed(lambda first=first, size=size: prepare(first, size), deadline))
            for first, size in zip(firsts, sizes, strict=True)
        ]
        await asyncio.sleep(0)
        all_there.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        batcher.close()
        assert (batcher.preparing, batcher.computing) == (0, 0)
        return list(answers)

    answers = asyncio.run(ask())
    return made, [np.frombuffer(one, np.float32).tolist() if isinstance(one, bytes) else one for one in answers]


@pytest.mark.parametrize(
    ("threads", "most", "sizes", "expected"),
    [
        (1, 64, [1] * 5, [5]),
        (1, 4, [1] * 10, [2, 4, 4]),
        (1, 4, [9, 1, 3], [4, 9]),
        (2, 64, [1] * 32, [16, 16]),
        (4, 64, [1] * 32, [8, 8, 8, 8]),
        (2, 64, [1] * 8, [4, 4]),
    ],
)
def test_a_batch_has_what_came_before_its_turn_up_to_its_share(
    threads: int, most: int, sizes: list[int], expected: list[int]
) -> None:
    made, answers = batches(Limits(batch=most, threads=threads), sizes, threads)
    assert sorted(made) == expected
    assert [number for answer in answers for number in answer] == list(range(sum(sizes)))
    assert [len(answer) for answer in answers] == sizes


def test_where_one_batch_is_computed_at_a_time_it_has_all() -> None:
    """All that is preprocessed: each of the other threads may still be at one."""
    made, _ = batches(Limits(threads=4), [1] * 32, 1)
    assert made[0] >= 29
    assert sum(made) == 32


def test_what_is_late_is_neither_prepared_nor_computed() -> None:
    made, answers = batches(Limits(threads=1), [1, 2], 1, deadline=0.0)
    assert made == []
    assert all(isinstance(answer, RefusedError) for answer in answers)
