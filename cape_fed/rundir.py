"""The directory a run leaves behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from cape_fed.errors import InputError
from cape_fed.files import atomic_file

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class RunDirectory:
    """Paths and writers of a run's configuration, metrics, log, checkpoints, splits and bundle."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.splits = path / "splits"
        self.bundle = path / "bundle"
        self.log = path / "log.txt"

    def open(self, config: Mapping[str, Any], *, resume: bool) -> None:
        """Begin or resume a run; InputError where a new one would mix with an old one or the old one was different."""
        text = yaml.safe_dump(dict(config), sort_keys=False)
        if resume:
            self._require_same(text)
        elif self.config.exists():
            raise InputError(f"{self.path} holds a run already: add resume=true or choose another out=")
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.config) as partial:
            partial.write_text(text)
        handler = logging.FileHandler(self.log)
        handler.setFormatter(logging.Formatter(LOG_FORMAT))
        for package in ("cape_fed", "server", "client"):
            logger = logging.getLogger(package)
            logger.setLevel(logging.INFO)
            logger.addHandler(handler)

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add one line to ``metrics.jsonl``; floats as they are, NaN as null."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(_finite(line)) + "\n")

    def truncate_metrics(self, key: str, end: int) -> None:
        """Forget lines of steps or rounds from ``end`` on: they will be written again."""
        kept = [line for line in read_metrics(self.metrics) if line[key] < end]
        with atomic_file(self.metrics) as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def _require_same(self, text: str) -> None:
        if not self.config.exists():
            raise InputError(f"nothing to resume in {self.path}: it has no config.yaml")
        old, new = yaml.safe_load(self.config.read_text()), yaml.safe_load(text)
        different = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        if different:
            raise InputError(f"cannot resume {self.path}: {', '.join(different)} differ from the run's config.yaml")


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a ``metrics.jsonl``; a last line cut short by a crash is passed over."""
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _finite(line: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {key: None if isinstance(value, float) and value != value else value for key, value in line.items()}
