"""Chunks handed to worker processes, results in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path

from cape_fed.archive.plan import Chunk, Recipe
from cape_fed.archive.shards import make_shard
from cape_fed.errors import InputError

IN_FLIGHT = 3
"""Chunks a worker that are on their way at any time."""


def read_chunks(
    recipe: Recipe, chunks: Iterable[Chunk], folder: Path, workers: int, ready: Container[int]
) -> Iterator[Chunk]:
    """Make the shards of ``chunks`` in ``folder``, yielding each chunk in order once its shard is there.

    Chunks whose number is ``ready`` are passed on as they are. With one worker the work is done in this process.
    Raises InputError where a worker was killed.
    """
    if workers > 1:
        yield from _in_workers(recipe, chunks, folder, workers, ready)
        return
    for chunk in chunks:
        if chunk.number not in ready:
            make_shard(recipe, chunk, folder)
        yield chunk


def _in_workers(
    recipe: Recipe, chunks: Iterable[Chunk], folder: Path, workers: int, ready: Container[int]
) -> Iterator[Chunk]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([make_shard.__module__])
    executor = ProcessPoolExecutor(workers, context, _start_worker, (recipe, folder))
    pending: deque[tuple[Chunk, Future[None] | None]] = deque()
    try:
        for chunk in chunks:
            pending.append((chunk, None if chunk.number in ready else executor.submit(_work, chunk)))
            if len(pending) > IN_FLIGHT * workers:
                yield _finished(*pending.popleft())
        while pending:
            yield _finished(*pending.popleft())
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed, perhaps for want of memory: run the same command again with fewer --workers "
            "to resume"
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _finished(chunk: Chunk, future: Future[None] | None) -> Chunk:
    if future is not None:
        future.result()
    return chunk


_recipe: Recipe
_folder: Path


def _start_worker(recipe: Recipe, folder: Path) -> None:
    global _recipe, _folder
    _recipe, _folder = recipe, folder
    # Ctrl-C reaches the whole process group: the parent decides, and a chunk that was begun is finished
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """End this worker when the parent was killed: the queue it waits on would never close."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(chunk: Chunk) -> None:
    make_shard(_recipe, chunk, _folder)
