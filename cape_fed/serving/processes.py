"""Several processes that serve one encoder at one port, and are one server to whoever asks.

Python computes in one thread at a time what is not in PyTorch, so one process leaves cores idle. The kernel gives each
connection to one of the processes that listen at the port (SO_REUSEPORT); everything else is as with one process.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

from cape_fed.errors import InputError, RunError
from cape_fed.serving.child import Count, Failed, Listening, Stop, Stopped, serve_for
from cape_fed.serving.metrics import ServingMetrics, shown_at
from cape_fed.serving.options import Options
from cape_fed.serving.ports import reserved
from cape_fed.serving.server import CLOSING
from cape_fed.serving.stopping import stop_on
from cape_fed.serving.tally import Counts, summed

log = logging.getLogger(__name__)

ENDING = 5.0
"""Seconds for a process to end after its last word, and to answer a question about its counts."""
WATCHED = 10.0
"""Seconds between the questions that every process is asked anyway."""
HUNG = 60.0
"""Seconds without an answer after which a process is killed. It answers while it computes."""


async def serve_in_processes(bundle: Path, device: str, options: Options, count: int, info: dict[str, str]) -> int:
    """Serve in ``count`` processes until SIGTERM or SIGINT; how many requests were cut off.

    ``info`` is what metrics say of the encoder. InputError where a process cannot begin, RunError where one ended by
    itself; either way the others are stopped first.
    """
    with reserved(options) as ours:
        shared = replace(ours, limits=options.limits.of_one_among(count))
        told = stop_on(signal.SIGTERM, signal.SIGINT)
        processes = _start(bundle, device, shared, count)
        try:
            stop = asyncio.create_task(told.wait())
            listening = asyncio.gather(*(process.listening for process in processes))
            listening.add_done_callback(_heard)
            await _first_of(stop, listening)
            if not listening.done():  # it is to stop before it began
                return await _stop(processes, options)
            listening.result()
            async with _metrics(processes, shared, info), _watched(processes):
                where = f"{count} processes at {shared.address}"
                log.info("serving %s, in %s", options.described(info["version"]), where)
                await _first_of(stop, *(process.stopped for process in processes))
                log.info("stopping: no new requests; those that were accepted are answered")
                return await _stop(processes, options)
        finally:
            await asyncio.gather(*(process.end() for process in processes))


def _start(bundle: Path, device: str, options: Options, count: int) -> list[_Process]:
    """Processes to which the signals that stop a server do not come: the one that starts them tells them what to do.

    A terminal or a supervisor may send such a signal to all processes at once, and before these are ready for it.
    """
    context = multiprocessing.get_context("spawn")
    resource_tracker.ensure_running()  # the first process would start it, and starting it lets the signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))  # is inherited
    started: list[_Process] = []
    try:
        for number in range(count):
            started.append(_Process(context, bundle, device, options, number))
    except OSError:  # there is no room for so many
        for process in started:
            process.process.kill()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return started


async def _first_of(*events: asyncio.Future[Any]) -> None:
    await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)


def _heard(future: asyncio.Future[Any]) -> None:
    """What it failed with is known, here or from another process."""
    if not future.cancelled():
        future.exception()


async def _stop(processes: Sequence[_Process], options: Options) -> int:
    """Let all end with what they have accepted answered; how many requests they cut off."""
    for process in processes:
        process.stop()
    await asyncio.wait([process.stopped for process in processes], timeout=options.limits.drain + CLOSING + ENDING)
    if not all(process.stopped.done() for process in processes):
        raise RunError("a process of the server did not end in time and was killed with what it had accepted")
    return sum(process.stopped.result() for process in processes)


@asynccontextmanager
async def _watched(processes: Sequence[_Process]) -> AsyncIterator[None]:
    """Notice meanwhile where a process hangs."""
    watching = [asyncio.create_task(process.watch()) for process in processes]
    try:
        yield
    finally:
        for task in watching:
            task.cancel()


@asynccontextmanager
async def _metrics(processes: Sequence[_Process], options: Options, info: dict[str, str]) -> AsyncIterator[None]:
    """Show the metrics of all as those of one."""
    loop = asyncio.get_running_loop()

    async def of_all() -> Counts:
        return summed(await asyncio.gather(*(process.counts() for process in processes)))

    def counts() -> Counts:
        try:
            return asyncio.run_coroutine_threadsafe(of_all(), loop).result(2 * ENDING)
        except CancelledError:
            raise TimeoutError("the server has ended meanwhile") from None

    metrics = ServingMetrics(info, len(processes) * options.limits.queue, options.certificate_end, counts)
    exporter = shown_at(options.metrics, metrics)
    exporter.__enter__()
    try:
        yield
    finally:  # in another thread: this one may be asked for counts until the exporter has ended
        await asyncio.to_thread(exporter.__exit__, None, None, None)


class _Process:
    """One of the processes, as the one that started it sees it; an object of one event loop."""

    def __init__(self, context: SpawnContext, bundle: Path, device: str, options: Options, number: int) -> None:
        self.line, theirs = context.Pipe()
        arguments = (bundle, device, options, theirs)
        self.process = context.Process(target=serve_for, args=arguments, daemon=True, name=f"cape-fed-serve-{number}")
        self.process.start()
        theirs.close()
        loop = asyncio.get_running_loop()
        self.listening: asyncio.Future[Listening] = loop.create_future()
        self.stopped: asyncio.Future[int] = loop.create_future()
        """How many requests it cut off; RunError where it ended by itself."""
        self._answer: asyncio.Future[Counts] | None = None
        """To the last question about its counts."""
        self._last: Counts | None = None
        loop.add_reader(self.line.fileno(), self._hear)

    async def counts(self) -> Counts:
        """What it has done, so far or until it ended; TimeoutError where it does not answer."""
        if not self.stopped.done():
            answer = self._ask()
            await asyncio.wait((answer, self.stopped), timeout=ENDING, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
        if not self.stopped.done() or self._last is None:
            raise TimeoutError("a process of the server does not answer")
        return self._last._replace(held=0, is_ready=False)

    async def watch(self) -> None:
        """Kill it where it does not answer any more, as if it had ended by itself."""
        while not self.stopped.done():
            answer = self._ask()
            await asyncio.wait((answer, self.stopped), timeout=HUNG, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and not self.stopped.done():
                log.error("a process of the server has not answered for %g s and is killed", HUNG)
                self._fail(RunError(f"a process of the server did not answer for {HUNG:g} s and was killed"))
                self.process.kill()
                return
            await asyncio.sleep(WATCHED)

    def stop(self) -> None:
        """Ask it to answer what it has accepted and to end."""
        self._say(Stop())

    async def end(self) -> None:
        """See to it that it is gone: it stops where nobody listens to it, and is killed where it does not."""
        asyncio.get_running_loop().remove_reader(self.line.fileno())
        self.line.close()
        await asyncio.to_thread(self.process.join, ENDING)
        self.process.kill()
        await asyncio.to_thread(self.process.join)
        for future in (self.listening, self.stopped):
            future.cancel()
            _heard(future)

    def _ask(self) -> asyncio.Future[Counts]:
        """Its answer to a question; no further one is asked before it, or the line to a process that hangs fills up."""
        if self._answer is None or self._answer.done():
            self._answer = asyncio.get_running_loop().create_future()
            self._say(Count())
        return self._answer

    def _say(self, word: Stop | Count) -> None:
        with suppress(OSError):  # that it has ended is heard elsewhere
            self.line.send(word)

    def _hear(self) -> None:
        try:
            word = self.line.recv()
        except (EOFError, OSError):
            self.process.join(ENDING)
            code = self.process.exitcode
            self._fail(RunError(f"a process of the server ended by itself with exit code {code}; the others stopped"))
            return
        if isinstance(word, Listening):
            self.listening.set_result(word)
        elif isinstance(word, Failed):
            self._fail(InputError(word.reason))
        elif isinstance(word, Stopped):
            self._last = word.counts
            self.stopped.set_result(word.cut)
        else:
            self._last = word
            if self._answer is not None:
                self._answer.set_result(word)

    def _fail(self, error: Exception) -> None:
        asyncio.get_running_loop().remove_reader(self.line.fileno())
        for future in (self.listening, self.stopped):
            if not future.done():
                future.set_exception(error)
