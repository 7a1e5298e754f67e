"""Run directories, read again and again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cape_fed.errors import InputError
from cape_fed.monitoring.run import STATES, Run
from cape_fed.rundir import STATUS_FILE, RunDirectory, read_metrics
from cape_fed.status import read_status, state_of

ROUND_KEYS = frozenset({"round", "seconds", "bytes_up"})
"""What tells a line on a round from one on a measurement."""
MOST_RUNS = 20
"""Runs of a folder that are shown, the newest: so many, so that the number of series stays bounded."""


class RunReader:
    """Reads one run directory again and again; a long ``metrics.jsonl`` only where it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = RunDirectory(path)
        self._read: tuple[tuple[int, int], list[dict[str, Any]]] | None = None
        self._config: Mapping[str, Any] = {}

    def read(self) -> Run:
        """The run now; files that are not there yet, or cannot be read, leave their part of it empty."""
        status, lines = read_status(self.path), self._lines()
        return Run(
            name=self.path.resolve().name,
            state=self._state(status),
            status=status,
            rounds=tuple(line for line in lines if line.keys() >= ROUND_KEYS),
            measured=tuple(line for line in lines if not line.keys() >= ROUND_KEYS),
            config=self._configuration(),
            touched=_mtime(self.files.metrics),
        )

    def _state(self, status: Mapping[str, Any]) -> str:
        said = str(status.get("state", "joining"))
        if said not in STATES:
            return "failed"
        try:
            return state_of(self.path, status)
        except OSError:  # a reader that may not open the lock cannot tell
            return said

    def _lines(self) -> list[dict[str, Any]]:
        try:
            stat = self.files.metrics.stat()
        except OSError:
            return []
        key = (stat.st_mtime_ns, stat.st_size)
        if self._read is None or self._read[0] != key:
            self._read = (key, list(read_metrics(self.files.metrics)))
        return self._read[1]

    def _configuration(self) -> Mapping[str, Any]:
        if not self._config:
            try:
                self._config = yaml.safe_load(self.files.config.read_text()) or {}
            except (OSError, yaml.YAMLError):
                return {}
        return self._config


class Runs:
    """A run directory, or the runs in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers: dict[Path, RunReader] = {}

    def read(self) -> list[Run]:
        """The run, or the newest `MOST_RUNS` of the folder, newest first; InputError where there is no such folder."""
        if not self.path.is_dir():
            raise InputError(f"{self.path} is no directory: name a run's out= or a folder of runs")
        found = [self.path] if is_run(self.path) else [path for path in self.path.iterdir() if is_run(path)]
        newest = sorted(found, key=lambda path: (-_mtime(path / STATUS_FILE), path.name))[:MOST_RUNS]
        self._readers = {path: self._readers.get(path) or RunReader(path) for path in newest}
        return [reader.read() for reader in self._readers.values()]


def is_run(path: Path) -> bool:
    """Whether a directory is that of a federated run."""
    return (path / STATUS_FILE).exists()


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
