"""Follows a run's ``metrics.jsonl`` from a thread, so that what trains knows nothing of it and never waits for it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

from cape_fed.files import whole_lines
from cape_fed.rundir import RunDirectory
from cape_fed.tracking.config import TrackingConfig

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between looks at the file."""
_PLACES = ("step", "round", "time")
"""Keys that say where a line stands and are no numbers to show."""


class Sink(Protocol):
    """Something that shows a run."""

    name: str

    def begin(self) -> None:
        """Begin anew: the run goes on from an earlier step, and its lines come again from the first."""
        ...

    def write(self, step: int, numbers: Mapping[str, float], time: str) -> None:
        """Show the numbers of one line."""
        ...

    def close(self, *, failed: bool) -> None:
        """The run has ended."""
        ...


@contextmanager
def tracked(out: Path, config: TrackingConfig) -> Iterator[None]:
    """Show the run in ``out`` meanwhile as ``config`` asks.

    InputError, before anything is written, where a package is missing or MLflow cannot be reached. What fails later
    ends the showing with a warning and never the run.
    """
    if not config.on:
        yield
        return
    follower = Follower(RunDirectory(out).metrics, _sinks(out, config))
    failed = True
    try:
        with follower:
            yield
            failed = False
    finally:
        follower.close(failed=failed)


def _sinks(out: Path, config: TrackingConfig) -> list[Sink]:
    from cape_fed.tracking.sinks import MlflowSink, TensorBoardSink

    sinks: list[Sink] = []
    if config.tensorboard:
        sinks.append(TensorBoardSink(out))
    if config.mlflow is not None:
        sinks.append(MlflowSink(out, config.mlflow, config.experiment))
    return sinks


class Follower:
    """Hands lines of a file to sinks as they come; a file that was cut and written anew is read from its beginning.

    A file that is there is left alone until something is added: it may belong to a run that the command refuses.
    """

    def __init__(self, path: Path, sinks: Sequence[Sink]) -> None:
        self._path = path
        self._sinks = list(sinks)
        self._identity: int | None = None
        self._place = 0
        self._before = _state(path)
        self._ended = Event()
        self._thread = Thread(target=self._follow, name="tracking", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop looking and read what is left."""
        self._ended.set()
        self._thread.join()
        self.look()

    def close(self, *, failed: bool) -> None:
        """Tell the sinks that the run has ended."""
        for sink in list(self._sinks):
            self._try(sink, partial(sink.close, failed=failed))

    def look(self) -> None:
        """Hand over the lines that were added since the last look."""
        for line in self._new_lines():
            numbers = dict(numbers_of(line))
            for sink in list(self._sinks):
                self._try(sink, sink.write, int(line["step"]), numbers, str(line["time"]))

    def _follow(self) -> None:
        while not self._ended.wait(LOOK):
            self.look()

    def _new_lines(self) -> Iterator[dict[str, Any]]:
        if _state(self._path) == self._before:
            return
        self._before = None
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._identity or status.st_size < self._place:
                self._identity, self._place = status.st_ino, 0
                for sink in list(self._sinks):
                    self._try(sink, sink.begin)
            lines, self._place = whole_lines(file, self._place)
        for text in lines:
            line: dict[str, Any] = {}
            with suppress(ValueError):  # a crash may have left half a line in the middle
                line = json.loads(text)
            if "step" in line:
                yield line

    def _try(self, sink: Sink, act: Callable[..., None], *arguments: Any) -> None:
        try:
            act(*arguments)
        except Exception as error:  # a server that is gone must not end a training
            self._sinks.remove(sink)
            log.warning("the run is no longer shown in %s: %s", sink.name, type(error).__name__)
            log.debug("%s failed", sink.name, exc_info=True)


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes where a file does; None without one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def numbers_of(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a line of ``metrics.jsonl`` by name; those within others as ``sites/NAME/loss``."""
    for key, value in line.items():
        if isinstance(value, Mapping):
            yield from numbers_of(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and prefix + key not in _PLACES:
            yield prefix + key, float(value)
