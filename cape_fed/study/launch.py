"""Trials run side by side: in processes of this machine, or as tasks of a Ray cluster."""

from __future__ import annotations

import logging
import multiprocessing
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cape_fed.errors import InputError, RunError
from cape_fed.extras import require
from cape_fed.study.trial import run_trial
from cape_fed.study.worlds import World

ERROR_FILE = "error.txt"
WORKER_DIED = "a worker process died, perhaps for want of memory: lower --workers and resume"

Ended = tuple[Path, str | None]
"""A trial that has ended: its directory and, where it failed, why in one line."""


@dataclass(frozen=True)
class Job:
    """Trials that one process runs one after another, by directory, in the world that they share if they have one."""

    directories: tuple[Path, ...]
    world: World | None = None


Launch = Callable[[Sequence[Job]], Iterator[Ended]]
"""Runs jobs and yields each trial when its job has ended."""


@contextmanager
def open_launcher(workers: int, address: str | None) -> Iterator[Launch]:
    """What runs trials: ``workers`` at a time here, or as many as the Ray cluster at ``address`` has CPUs for.

    A trial that fails leaves its traceback in its directory and does not stop the others. On a cluster the stores and
    the study's directory have to be at the same paths on every machine. InputError where there is no cluster, at once;
    RunError where a worker process dies.
    """
    if address is None:
        yield partial(_here, workers=workers)
        return
    require("ray", "ray", "--ray")
    import ray

    try:
        _require_answer(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError) as error:
        raise InputError(f"no Ray cluster at '{address}': start one with ray start --head, or say local") from error
    try:
        yield _on_ray
    finally:
        ray.shutdown()


def run_job(job: Job) -> list[Ended]:
    """Run the trials of a job; where its world cannot be made, all of them have failed for that reason."""
    if job.world is None:
        return [(directory, attempt(directory)) for directory in job.directories]
    try:
        with job.world.standing():
            return run_job(replace(job, world=None))
    except (InputError, OSError) as error:
        return [(directory, f"world {job.world.number}: {error}") for directory in job.directories]


def attempt(directory: Path) -> str | None:
    """Run a trial; None where it went well, else why not in one line."""
    (directory / ERROR_FILE).unlink(missing_ok=True)
    try:
        run_trial(directory)
    except InputError as error:
        (directory / ERROR_FILE).write_text(f"{error}\n")
        return str(error)
    except Exception as error:
        (directory / ERROR_FILE).write_text(traceback.format_exc())
        return f"{type(error).__name__}: {error}"
    return None


def _here(jobs: Sequence[Job], workers: int) -> Iterator[Ended]:
    if workers == 1:
        for job in jobs:
            yield from run_job(job)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(run_job, job) for job in jobs]
        try:
            for future in as_completed(running):
                yield from future.result()
        except BrokenProcessPool as error:
            raise RunError(WORKER_DIED) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _require_answer(address: str) -> None:
    """OSError where nothing listens at a ``host:port``: Ray itself would go on trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _on_ray(jobs: Sequence[Job]) -> Iterator[Ended]:
    import ray

    task = ray.remote(num_cpus=1, max_retries=0)(run_job)
    running = [task.remote(job) for job in jobs]
    while running:
        (finished,), running = ray.wait(running, num_returns=1)
        try:
            yield from ray.get(finished)
        except ray.exceptions.RayError as error:
            raise RunError(f"a task on Ray ended: {type(error).__name__}; resume the study") from error
