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
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, NamedTuple

from cape_fed.errors import InputError, RunError
from cape_fed.logs import log_to_stderr
from cape_fed.release.bundle import load_encoder
from cape_fed.release.sums import version_of
from cape_fed.serving.metrics import ServingMetrics, shown_at
from cape_fed.serving.options import Options
from cape_fed.serving.ports import reserved
from cape_fed.serving.server import CLOSING, EncoderServer
from cape_fed.serving.stopping import stop_on
from cape_fed.serving.tally import Counts, summed

log = logging.getLogger(__name__)

ENDING = 5.0
"""Seconds for a process to end after its last word, and to answer a question about its counts."""


class _Listening:
    """The first word of a process."""


class _Failed(NamedTuple):
    """The first word of a process that cannot listen."""

    reason: str


class _Stopped(NamedTuple):
    """The last word of a process."""

    cut: int


class _Stop:
    """Asks a process to stop."""


class _Count:
    """Asks a process for its counts."""


async def serve_in_processes(bundle: Path, device: str, options: Options, count: int, info: dict[str, str]) -> int:
    """Serve in ``count`` processes until SIGTERM or SIGINT; how many requests were cut off.

    ``info`` is what metrics say of the encoder. InputError where a process cannot begin, RunError where one ended by
    itself; either way the others are stopped first.
    """
    with reserved(options) as ours:
        shared = replace(ours, limits=options.limits.of_one_among(count))
        processes = _start(bundle, device, shared, count)
        try:
            stop = asyncio.create_task(stop_on(signal.SIGTERM, signal.SIGINT).wait())
            listening = asyncio.gather(*(process.listening for process in processes))
            await _first_of(stop, listening)
            if not listening.done():  # it is to stop before it began
                return await _stop(processes, options)
            listening.result()
            async with _metrics(processes, shared, info):
                where = f"{count} processes at {shared.address}"
                log.info("serving %s, in %s", options.described(info["version"]), where)
                await _first_of(stop, *(process.stopped for process in processes))
                log.info("stopping: no new requests; those that were accepted are answered")
                return await _stop(processes, options)
        finally:
            await asyncio.gather(*(process.end() for process in processes))


def _start(bundle: Path, device: str, options: Options, count: int) -> list[_Process]:
    """Processes that ignore Ctrl-C, which reaches all of them: the one that starts them tells them what to do."""
    context = multiprocessing.get_context("spawn")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return [_Process(context, bundle, device, options, number) for number in range(count)]
    finally:
        signal.signal(signal.SIGINT, before)


async def _first_of(*events: asyncio.Future[Any]) -> None:
    await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)


async def _stop(processes: Sequence[_Process], options: Options) -> int:
    """Let all end with what they have accepted answered; how many requests they cut off."""
    for process in processes:
        process.stop()
    await asyncio.wait([process.stopped for process in processes], timeout=options.limits.drain + CLOSING + ENDING)
    if not all(process.stopped.done() for process in processes):
        raise RunError("a process of the server did not end in time and was killed with what it had accepted")
    return sum(process.stopped.result() for process in processes)


@asynccontextmanager
async def _metrics(processes: Sequence[_Process], options: Options, info: dict[str, str]) -> AsyncIterator[None]:
    """Show the metrics of all as those of one."""
    loop = asyncio.get_running_loop()

    async def of_all() -> Counts:
        return summed(await asyncio.gather(*(process.counts() for process in processes)))

    def counts() -> Counts:
        return asyncio.run_coroutine_threadsafe(of_all(), loop).result(2 * ENDING)

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
        self.process = context.Process(target=_serve, args=arguments, daemon=True, name=f"cape-fed-serve-{number}")
        self.process.start()
        theirs.close()
        loop = asyncio.get_running_loop()
        self.listening: asyncio.Future[_Listening] = loop.create_future()
        self.stopped: asyncio.Future[int] = loop.create_future()
        """How many requests it cut off; RunError where it ended by itself."""
        self._asked: list[asyncio.Future[Counts]] = []
        loop.add_reader(self.line.fileno(), self._hear)

    async def counts(self) -> Counts:
        """What it has done so far; TimeoutError where it does not answer."""
        future = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        self._say(_Count())
        async with asyncio.timeout(ENDING):
            found: Counts = await future
            return found

    def stop(self) -> None:
        """Ask it to answer what it has accepted and to end."""
        self._say(_Stop())

    async def end(self) -> None:
        """See to it that it is gone: it stops where nobody listens to it, and is killed where it does not."""
        asyncio.get_running_loop().remove_reader(self.line.fileno())
        self.line.close()
        await asyncio.to_thread(self.process.join, ENDING)
        self.process.kill()
        await asyncio.to_thread(self.process.join)
        for future in (self.listening, self.stopped):
            if not future.cancel() and not future.cancelled():
                future.exception()  # has been heard of, here or from another process

    def _say(self, word: _Stop | _Count) -> None:
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
        if isinstance(word, _Listening):
            self.listening.set_result(word)
        elif isinstance(word, _Failed):
            self._fail(InputError(word.reason))
        elif isinstance(word, _Stopped):
            self.stopped.set_result(word.cut)
        else:
            future = self._asked.pop(0)
            if not future.done():
                future.set_result(word)

    def _fail(self, error: Exception) -> None:
        asyncio.get_running_loop().remove_reader(self.line.fileno())
        for future in (self.listening, self.stopped):
            if not future.done():
                future.set_exception(error)


def _serve(bundle: Path, device: str, options: Options, line: Connection) -> None:
    """What each of the processes does: serve until it is told to stop, or the one that started it is gone."""
    log_to_stderr(logging.WARNING)
    try:
        asyncio.run(_serve_until_told(bundle, device, options, line))
    except InputError as error:
        with suppress(OSError):  # where another process said so first
            line.send(_Failed(str(error)))


async def _serve_until_told(bundle: Path, device: str, options: Options, line: Connection) -> None:
    server = EncoderServer(load_encoder(bundle, device), version_of(bundle), options)
    stop, loop = stop_on(signal.SIGTERM), asyncio.get_running_loop()

    def hear() -> None:
        try:
            word = line.recv()
        except EOFError:
            loop.remove_reader(line.fileno())
            stop.set()
            return
        if isinstance(word, _Count):
            line.send(server.counts())
        else:
            stop.set()

    server.warm_up()
    await server.start()
    line.send(_Listening())
    loop.add_reader(line.fileno(), hear)
    await stop.wait()
    cut = await server.drain()
    with suppress(OSError):  # where nobody is left to hear it
        line.send(_Stopped(cut))
