"""Batches out of the recordings that wait: those of one length go through the encoder together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from cape_fed.serving.options import Limits
from cape_fed.serving.refusal import RefusedError

Encode = Callable[[NDArray[np.int16], NDArray[np.integer[Any]]], NDArray[np.float32]]
"""Store rows ``[B, 12, T]`` with their valid samples ``[B]`` to embeddings ``[B, dim]``."""


@dataclass(eq=False, slots=True)
class Job:
    """The preprocessed recordings of one request."""

    signals: NDArray[np.int16]
    valid: NDArray[np.integer[Any]]
    deadline: float
    """Of the monotonic clock; infinity without one."""
    came: float
    future: asyncio.Future[NDArray[np.float32]]

    @property
    def length(self) -> int:
        """The valid samples of its recordings, or -1 where they differ."""
        first = int(self.valid[0])
        return first if (self.valid == first).all() else -1


class Batcher:
    """Lets an encoder compute what has come meanwhile, one batch at a time, in a thread of its own.

    A batch begins with the recordings that have waited longest. It waits for others, up to ``limits.patience``, only
    while `preparing` says that some are on their way, so that a lone request is computed at once. All methods belong
    to the event loop that `run` runs in.
    """

    def __init__(self, encode: Encode, limits: Limits, preparing: Callable[[], int]) -> None:
        self.encode = encode
        self.limits = limits
        self.preparing = preparing
        self.batches = 0
        self.records = 0
        self._waiting: list[Job] = []
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode")

    async def embed(
        self, signals: NDArray[np.int16], valid: NDArray[np.integer[Any]], deadline: float
    ) -> NDArray[np.float32]:
        """Embeddings of the rows of one request; RefusedError where its deadline passes before they are computed."""
        loop = asyncio.get_running_loop()
        job = Job(signals, valid, deadline, monotonic(), loop.create_future())
        self._waiting.append(job)
        self._changed.set()
        try:
            return await job.future
        finally:
            job.future.cancel()  # a request that was given up is not computed

    def notify(self) -> None:
        """Look again: something that a batch may have waited for has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Compute batches until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                batch = await self._next_batch()
                try:
                    done = await loop.run_in_executor(self._thread, self._compute, batch)
                except Exception as error:  # the encoder failed: those who wait are told, and the next batch is tried
                    for job in batch:
                        if not job.future.done():
                            job.future.set_exception(error)
                    continue
                self._hand_out(batch, done)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _next_batch(self) -> list[Job]:
        while True:
            self._drop_expired()
            if self._waiting:
                patience = self._waiting[0].came + self.limits.patience - monotonic()
                batch = self._of_one_length()
                if patience <= 0 or not self.preparing() or sum(len(job.valid) for job in batch) >= self.limits.batch:
                    self._waiting = [job for job in self._waiting if job not in batch]
                    return batch
            else:
                patience = None
            await self._wait(patience)

    async def _wait(self, seconds: float | None) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    def _drop_expired(self) -> None:
        now = monotonic()
        for job in self._waiting:
            if job.deadline <= now and not job.future.done():
                job.future.set_exception(expired())
        self._waiting = [job for job in self._waiting if not job.future.done()]

    def _of_one_length(self) -> list[Job]:
        """The oldest job and those that can join it, `limits.batch` recordings or that one job."""
        batch, rows = [self._waiting[0]], len(self._waiting[0].valid)
        length = batch[0].length
        for job in self._waiting[1:]:
            if length >= 0 and job.length == length and rows + len(job.valid) <= self.limits.batch:
                batch.append(job)
                rows += len(job.valid)
        return batch

    def _compute(self, batch: list[Job]) -> NDArray[np.float32]:
        return self.encode(np.concatenate([job.signals for job in batch]), np.concatenate([job.valid for job in batch]))

    def _hand_out(self, batch: list[Job], embedding: NDArray[np.float32]) -> None:
        self.batches += 1
        self.records += len(embedding)
        begin = 0
        for job in batch:
            end = begin + len(job.valid)
            if not job.future.done():
                job.future.set_result(embedding[begin:end])
            begin = end


def expired() -> RefusedError:
    """The refusal of a request whose deadline has passed."""
    return RefusedError(
        grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline has passed before the recordings were computed"
    )
