"""What the process that starts others makes of their words, and of their silence."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cape_fed.errors import RunError
from cape_fed.serving import processes
from cape_fed.serving.child import Count, Listening, Stop, Stopped
from cape_fed.serving.metrics import ServingMetrics
from cape_fed.serving.options import Options
from cape_fed.serving.tally import BOUNDS, Counts

OPTIONS = Options("127.0.0.1", 0)


def counts(records: int, *, held: int = 0, is_ready: bool = True) -> Counts:
    totals = {("cape_fed_serving_records_total", ()): float(records)}
    return Counts(totals, (0,) * (len(BOUNDS) + 1), 0.0, held, is_ready)


class Child:
    """The other end of the line, in place of a process."""

    exitcode = -9

    def __init__(self, args: Sequence[Any], **_: Any) -> None:
        self.line = Connection(os.dup(args[-1].fileno()))
        self.is_killed = False

    def start(self) -> None:
        """Nothing: the test speaks for it."""

    def kill(self) -> None:
        self.is_killed = True

    def join(self, seconds: float | None = None) -> None:
        """Nothing."""

    def words(self) -> list[Any]:
        """What it was told and has not read."""
        found = []
        while self.line.poll(0):
            found.append(self.line.recv())
        return found


class Context:
    """What makes processes and lines."""

    Pipe = staticmethod(Pipe)
    Process = staticmethod(lambda target, args, daemon, name: Child(args))


@asynccontextmanager
async def process() -> AsyncIterator[tuple[processes._Process, Child]]:
    made = processes._Process(Context, Path(), "cpu", OPTIONS, 0)  # type: ignore[arg-type]
    child: Any = made.process
    try:
        yield made, child
    finally:
        await made.end()
        child.line.close()


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test as a coroutine."""

    def run() -> None:
        asyncio.run(test())

    run.__name__ = test.__name__
    return run


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


@in_loop
async def test_one_question_is_under_way_at_a_time() -> None:
    async with process() as (made, child):
        asked = [asyncio.create_task(made.counts()) for _ in range(500)]
        await asyncio.sleep(0)
        assert [type(word) for word in child.words()] == [Count]
        child.line.send(counts(1))
        assert await asyncio.gather(*asked) == [counts(1)] * 500
        again = asyncio.create_task(made.counts())
        await asyncio.sleep(0)
        assert [type(word) for word in child.words()] == [Count]
        child.line.send(counts(2))
        assert await again == counts(2)


@in_loop
async def test_a_process_that_has_ended_keeps_its_last_counts() -> None:
    async with process() as (made, child):
        child.line.send(Listening())
        waiting = asyncio.create_task(made.counts())
        await asyncio.sleep(0)
        made.stop()
        child.line.send(Stopped(2, counts(7, held=2, is_ready=False)))
        ended = counts(7, is_ready=False)
        assert await waiting == ended, "its last word is an answer to what it was asked before"
        assert await made.counts() == ended
        assert made.stopped.result() == 2
        assert [type(word) for word in child.words()] == [Count, Stop]


@in_loop
async def test_a_process_that_ended_by_itself_keeps_what_it_said_last() -> None:
    async with process() as (made, child):
        child.line.send(counts(3, held=1))
        await until(lambda: made._last is not None)
        child.line.close()
        await until(made.stopped.done)
        assert await made.counts() == counts(3, is_ready=False)
    async with process() as (made, child):
        child.line.close()
        await until(made.stopped.done)
        with pytest.raises(TimeoutError):
            await made.counts()


def test_a_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(processes, "HUNG", 0.2)
    monkeypatch.setattr(processes, "WATCHED", 0.01)

    async def check() -> None:
        async with process() as (made, child), processes._watched([made]):
            for records in range(5):
                await until(child.line.poll)
                assert child.words()
                child.line.send(counts(records))
            await asyncio.wait([made.stopped], timeout=20)
            assert child.is_killed
            with pytest.raises(RunError, match=r"did not answer for 0\.2 s and was killed"):
                made.stopped.result()
            assert await made.counts() == counts(4, is_ready=False)

    asyncio.run(check())
    assert "has not answered for 0.2 s and is killed" in caplog.text


def test_who_asks_for_metrics_while_the_server_ends_hears_that_it_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[ServingMetrics] = []

    @contextmanager
    def show(address: object, metrics: ServingMetrics) -> Iterator[None]:
        shown.append(metrics)
        yield

    monkeypatch.setattr(processes, "shown_at", show)

    async def check() -> None:
        async with process() as (made, child), processes._metrics([made], OPTIONS, {}):
            ready = asyncio.create_task(asyncio.to_thread(shown[0].readiness))
            await until(child.line.poll)
            for task in asyncio.all_tasks() - {asyncio.current_task(), ready}:
                task.cancel()
            assert await ready == {"server": "does not answer"}
            child.line.send(Stopped(0, counts(1, is_ready=False)))
            await made.stopped
            assert await asyncio.to_thread(shown[0].readiness) == {"server": "is stopping"}

    asyncio.run(check())


def test_where_one_process_cannot_be_started_none_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Child] = []

    def start(target: object, args: Sequence[Any], daemon: bool, name: str) -> Child:
        if made:
            raise OSError("no more processes")
        made.append(Child(args))
        return made[0]

    context = SimpleNamespace(Pipe=Pipe, Process=start)
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: context)

    async def check() -> None:
        with pytest.raises(OSError, match="no more processes"):
            processes._start(Path(), "cpu", OPTIONS, 2)

    asyncio.run(check())
    assert made[0].is_killed
    made[0].line.close()
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}
