"""Batches out of the recordings that wait: those of one length go through the encoder together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

import grpc
import numpy as np
from numpy.typing import NDArray

from cape_fed.serving.options import Limits
from cape_fed.serving.refusal import RefusedError

Encode = Callable[[NDArray[np.int16], NDArray[np.integer[Any]]], NDArray[np.float32]]
"""Store rows ``[B, 12, T]`` with their valid samples ``[B]`` to embeddings ``[B, dim]``."""
_Outcome = tuple[asyncio.Future[bytes], bytes | Exception]
FEW = 4
"""Recordings that one core computes: alone each takes about twice the time, in larger batches little less."""


class Prepared(NamedTuple):
    """A request, preprocessed."""

    signals: NDArray[np.int16]
    valid: NDArray[np.integer[Any]]
    answer: Callable[[NDArray[np.float32]], bytes]
    """From its embeddings ``[B, dim]`` to its answer."""


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for the encoder."""

    prepared: Prepared
    deadline: float
    """Of the monotonic clock; infinity without one."""
    future: asyncio.Future[bytes]

    @property
    def records(self) -> int:
        """How many recordings it has."""
        return len(self.prepared.valid)

    @property
    def length(self) -> int:
        """The valid samples of its recordings, or -1 where they differ."""
        valid = self.prepared.valid
        return int(valid[0]) if (valid == valid[0]).all() else -1


class Batcher:
    """Preprocesses requests and lets an encoder compute what waits, both in the same threads, as many as cores.

    A batch is asked for as soon as a request waits, takes its turn behind what these threads were given before, and is
    made when that turn comes. So a lone request is computed at once, and the more requests are being preprocessed, the
    larger batches are. It begins with the recordings that have waited longest and leaves the other threads their share.
    """

    def __init__(self, encode: Encode, limits: Limits, at_once: int) -> None:
        """``at_once`` of the threads compute at the same time, at most."""
        self.encode = encode
        self.limits = limits
        self.at_once = at_once
        self.preparing = 0
        """Requests that are being preprocessed or about to be."""
        self.computing = 0
        """Batches that are being computed."""
        self._waiting: list[Job] = []
        self._is_asked = False
        """Whether a batch has been asked for and its turn has not come."""
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="work")

    async def embed(self, prepare: Callable[[], Prepared], deadline: float) -> bytes:
        """The answer to a request, which ``prepare`` reads and preprocesses in one of the threads.

        RefusedError where its deadline passes before it is computed.
        """
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            self.preparing += 1
        held = [prepare]
        self._threads.submit(self._prepare, held, deadline, future)
        try:
            answer: bytes = await future
            return answer
        finally:
            future.cancel()  # of a request that was given up nothing more is computed
            held.clear()  # nor does its content wait for a thread

    def close(self) -> None:
        """Begin no further work."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, held: list[Callable[[], Prepared]], deadline: float, future: asyncio.Future[bytes]) -> None:
        ready: list[Job] = []
        refused: list[tuple[asyncio.Future[bytes], Exception]] = []
        try:
            if deadline <= monotonic():
                raise expired()
            if held and not future.done():
                ready.append(Job(held.pop()(), deadline, future))
        except Exception as error:  # the event loop raises it where the request is answered
            refused.append((future, error))
        with self._lock:
            self.preparing -= 1
            self._waiting += ready
            self._ask()
        _settle(refused)

    def _ask(self) -> None:
        if self._waiting and not self._is_asked and self.computing < self.at_once:
            self._threads.submit(self._compute_next)
            self._is_asked = True

    def _compute_next(self) -> None:
        """The turn of a batch, in one of the threads."""
        with self._lock:
            self._is_asked = False
            late = self._take_expired()
            batch = self._take_batch()
            self.computing += 1
            self._ask()
        _settle([(job.future, expired()) for job in late])
        outcomes = self._outcomes(batch)
        with self._lock:
            self.computing -= 1
            self._ask()
        _settle(outcomes)

    def _take_expired(self) -> list[Job]:
        """Those whose deadline has passed; those that were given up are forgotten."""
        now = monotonic()
        asked = [job for job in self._waiting if not job.future.done()]
        self._waiting = [job for job in asked if job.deadline > now]
        return [job for job in asked if job.deadline <= now]

    def _take_batch(self) -> list[Job]:
        """The oldest job and those of its length, up to the share of one thread in all that is there or to come."""
        batch: list[Job] = []
        rows, there = 0, self.preparing + sum(job.records for job in self._waiting)
        most = min(self.limits.batch, max(FEW, -(-there // (self.at_once - self.computing))))
        for job in self._waiting:
            if not batch or (job.length == batch[0].length >= 0 and rows + job.records <= most):
                batch.append(job)
                rows += job.records
        self._waiting = [job for job in self._waiting if job not in batch]
        return batch

    def _outcomes(self, batch: list[Job]) -> list[_Outcome]:
        """The answer to each job, or for all what the encoder failed with: the next batch is tried nevertheless."""
        if not batch:
            return []
        try:
            signals, valid = (np.concatenate([job.prepared[part] for job in batch]) for part in (0, 1))
            ends = np.cumsum([job.records for job in batch])[:-1]
            parts = np.split(self.encode(signals, valid), ends)
            return [(job.future, job.prepared.answer(part)) for job, part in zip(batch, parts, strict=True)]
        except Exception as error:
            return [(job.future, error) for job in batch]


def expired() -> RefusedError:
    """The refusal of a request whose deadline has passed."""
    return RefusedError(
        grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline has passed before the recordings were computed"
    )


def _settle(outcomes: Sequence[_Outcome]) -> None:
    """Answer requests, or raise where they are answered, in their event loop, which is woken once."""

    def settle() -> None:
        for future, outcome in outcomes:
            if future.done():  # given up
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    if outcomes:
        outcomes[0][0].get_loop().call_soon_threadsafe(settle)
