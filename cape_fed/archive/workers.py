"""Chunks handed to worker processes, results in order; a record that ends or stops its worker is left out."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Container, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from ctypes import c_int64
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from cape_fed.archive.plan import Chunk, Recipe
from cape_fed.archive.shards import FAULTS, make_shard, write_fault
from cape_fed.errors import RunError

log = logging.getLogger(__name__)

RECORD_SECONDS = 300.0
"""A record that takes longer than this is taken for one that comes to no end."""
IN_FLIGHT = 3
"""Chunks a worker that are on their way at any time."""
QUEUED = 2
"""Chunks that a worker is given at once, so that it does not wait for the next one."""
STRIKES = 2
"""A record at which a worker ended this often is left out; once may be chance, as where memory is short."""
UNEXPLAINED = 3
"""After so many ends in one chunk, each at another record, every further one counts as explained."""
POLL_SECONDS = 0.5


def read_chunks(
    recipe: Recipe,
    chunks: Iterable[Chunk],
    folder: Path,
    workers: int,
    ready: Container[int],
    record_seconds: float = RECORD_SECONDS,
) -> Generator[Chunk, None, None]:
    """Make the shards of ``chunks`` in ``folder``, yielding each chunk in order once its shard is there.

    Chunks whose number is ``ready`` are passed on as they are. With 0 workers the work is done in this process, which
    a record that ends it takes along. With workers such a record, and one that takes longer than ``record_seconds``,
    is found, counted as CRASHED or TIMED_OUT, and left out. Raises OSError where the disk is full and RunError where
    a shard cannot be made.
    """
    if workers:
        with closing(_Pool(recipe, folder, workers, record_seconds)) as pool:
            yield from pool.run(chunks, ready)
        return
    for chunk in chunks:
        if chunk.number not in ready:
            make_shard(recipe, chunk, folder)
        yield chunk


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    marker: Any
    """Shared: number of the chunk it is at, place of the record, whether it shall stop."""
    assigned: deque[Chunk] = field(default_factory=deque)
    seen: tuple[int, int] = (-1, -1)
    since: float = 0.0

    @property
    def at(self) -> tuple[int, int]:
        """Chunk and place where it is now."""
        return self.marker[0], self.marker[1]


class _Pool:
    """Workers, what each of them has to do, and which records are left out."""

    def __init__(self, recipe: Recipe, folder: Path, workers: int, record_seconds: float) -> None:
        self._recipe, self._folder = recipe, folder
        self._record_seconds = record_seconds
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([make_shard.__module__])
        self._todo: deque[Chunk] = deque()
        self._done: set[int] = set()
        self._skip: dict[int, dict[int, str]] = {}
        self._strikes: Counter[tuple[int, int]] = Counter()
        self._unexplained: Counter[int] = Counter()
        self._workers = [self._start() for _ in range(workers)]

    def run(self, chunks: Iterable[Chunk], ready: Container[int]) -> Iterator[Chunk]:
        """Yield the chunks in order, each once its shard is there."""
        source, order = iter(chunks), deque[Chunk]()
        while True:
            while len(order) <= IN_FLIGHT * len(self._workers) and (chunk := next(source, None)):
                order.append(chunk)
                if chunk.number in ready:
                    self._done.add(chunk.number)
                else:
                    self._todo.append(chunk)
            if not order:
                return
            self._assign()
            while order and order[0].number in self._done:
                self._done.discard(order[0].number)
                yield order.popleft()
            if order and order[0].number not in self._done and any(worker.assigned for worker in self._workers):
                self._attend()

    def close(self) -> None:
        """Let every worker finish the chunk it is at; its shard counts when the ingest goes on."""
        for worker in self._workers:
            worker.marker[2] = 1
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(self._record_seconds)
            worker.process.kill()
            worker.process.join()

    def _start(self) -> _Worker:
        marker = self._context.RawArray(c_int64, [-1, -1, 0])
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(self._recipe, self._folder, theirs, marker), daemon=True, name="cape-fed-ingest"
        )
        with _main_module_left_alone(self._recipe):
            process.start()
        theirs.close()
        return _Worker(process, ours, marker)

    def _assign(self) -> None:
        for length in range(QUEUED):
            for worker in self._workers:
                if self._todo and len(worker.assigned) == length:
                    chunk = self._todo.popleft()
                    worker.assigned.append(chunk)
                    try:
                        worker.pipe.send((chunk, self._skip.get(chunk.number, {})))
                    except OSError:  # it has ended: _attend finds that out
                        return

    def _attend(self) -> None:
        """Wait until a worker has something to say, has ended, or is at one record for too long."""
        busy = [worker for worker in self._workers if worker.assigned]
        heard = wait([worker.pipe for worker in busy], timeout=min(POLL_SECONDS, self._record_seconds / 4))
        for place, worker in enumerate(self._workers):
            if worker.pipe in heard:
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    self._workers[place] = self._replace(worker, "CRASHED")
                    continue
                self._hear(worker, answer)  # outside: what it raises, as of a full disk, is no end of the worker
            elif worker.assigned and self._is_stuck(worker):
                self._workers[place] = self._replace(worker, "TIMED_OUT")

    def _hear(self, worker: _Worker, answer: tuple[str, Any]) -> None:
        kind, told = answer
        if kind == "done":
            worker.assigned.popleft()
            self._done.add(told)
        elif kind == "os":
            raise OSError(*told)
        else:
            raise RunError(f"{told}: that is a fault of cape-fed; its traceback is in {self._folder / FAULTS}")

    def _is_stuck(self, worker: _Worker) -> bool:
        now, at = time.monotonic(), worker.at
        if at != worker.seen:
            worker.seen, worker.since = at, now
        chunk = worker.assigned[0]
        is_reading = at[0] == chunk.number and at[1] < chunk.records
        return is_reading and now - worker.since > self._record_seconds

    def _replace(self, worker: _Worker, code: str) -> _Worker:
        """Start another worker in place of one that ended or was stuck, without the record that is to blame."""
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        number, place = worker.at
        if worker.assigned:
            chunk = worker.assigned[0]
            is_suspect = number == chunk.number and 0 <= place < chunk.records
            known = place if is_suspect and place not in self._skip.get(number, {}) else -1
            self._blame(chunk, known, code)
        self._todo.extendleft(reversed(worker.assigned))
        return self._start()

    def _blame(self, chunk: Chunk, place: int, code: str) -> None:
        self._strikes[chunk.number, place] += 1
        self._unexplained[chunk.number] += 1
        is_proven = self._strikes[chunk.number, place] >= STRIKES or self._unexplained[chunk.number] > UNEXPLAINED
        if place < 0:
            if is_proven:
                raise RunError(
                    "workers end before they read anything, perhaps for want of memory: run the same command again "
                    "with fewer --workers"
                )
        elif is_proven:
            self._unexplained[chunk.number] -= STRIKES
            self._skip.setdefault(chunk.number, {})[place] = code
            log.warning("a record is left out, since reading it %s", _WHY[code])


@contextmanager
def _main_module_left_alone(recipe: Recipe) -> Iterator[None]:
    """Keep a worker from importing the program that runs: a script without a guard would start everything again.

    Only a reader that is defined in that program makes the import necessary.
    """
    main = sys.modules["__main__"]
    if type(recipe.reader).__module__ == "__main__":
        yield
        return
    hidden: dict[str, Any] = {name: main.__dict__[name] for name in ("__spec__", "__file__") if name in main.__dict__}
    main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__dict__.update(hidden)


_WHY = {"CRASHED": "ended the process that read it", "TIMED_OUT": "came to no end"}


def _serve(recipe: Recipe, folder: Path, pipe: Connection, marker: Any) -> None:
    """Make shards until the pipe is closed or the marker says to stop."""
    # Ctrl-C reaches the whole process group: the parent decides, and a chunk that was begun is finished
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    while not marker[2]:
        try:
            chunk, skip = pipe.recv()
        except (EOFError, OSError):
            return
        if marker[2]:
            return
        marker[0], marker[1] = chunk.number, -1
        try:
            pipe.send(_made(recipe, chunk, folder, skip, marker))
        except OSError:  # the parent has closed the pipe
            return


def _made(recipe: Recipe, chunk: Chunk, folder: Path, skip: dict[int, str], marker: Any) -> tuple[str, Any]:
    def at(place: int) -> None:
        marker[1] = place

    try:
        make_shard(recipe, chunk, folder, skip, at)
    except OSError as error:
        return "os", (error.errno, error.strerror or str(error), error.filename)
    except Exception as error:
        write_fault(folder, f"chunk {chunk.number}", error)
        return "fault", f"chunk {chunk.number} of the archive cannot be read ({type(error).__name__})"
    return "done", chunk.number


def _exit_with_parent() -> None:
    """End this worker when the parent was killed: the pipe it waits on may never close."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
