"""The directory a run leaves behind."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from cape_fed.checkpoints import run_rounds, run_steps
from cape_fed.clock import utc_text
from cape_fed.errors import InputError
from cape_fed.files import atomic_file, sweep
from cape_fed.lock import is_locked, locked
from cape_fed.logs import LOG_FILE, make_formatter

LOCK_FILE = ".lock"
"""Held by the process that leads the run: a second one on the same directory is refused."""
STATUS_FILE = "status.json"
"""Where a federated run is, see `cape_fed.status`."""
PLACE_FILE = "superlink.json"
"""On which SuperLink a federated run is."""
PAGE_FILE = "federation.html"
"""How a federated run went."""
TENSORBOARD_FOLDER = "tensorboard"
"""Event files of a run that is shown in TensorBoard."""
MLFLOW_FILE = "mlflow.json"
"""Which run of an MLflow server this one is."""
PREPARED = (
    "config.yaml", LOG_FILE, "splits", "sites", STATUS_FILE, PLACE_FILE, PAGE_FILE, TENSORBOARD_FOLDER, MLFLOW_FILE,
)  # fmt: skip
"""What a run has that ended before its first round or step."""
LOGGERS = ("cape_fed",)
"""Packages whose loggers write into a run's or a site's log."""


class RunDirectory:
    """The layout of a run's files, with writers of its configuration, metrics and log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.splits = path / "splits"
        self.sites = path / "sites"
        self.bundle = path / "bundle"
        self.best_bundle = path / "bundle-best"
        self.log = path / LOG_FILE

    def site(self, name: str) -> Path:
        """Directory that a simulated site keeps its state in."""
        return self.sites / name

    def learner_states(self) -> Iterator[tuple[str, Path]]:
        """The newest state of every learner that the run left behind: ``central``, or each simulated site by name."""
        if steps := run_steps(self.checkpoints).numbers():
            yield "central", run_steps(self.checkpoints).path(steps[-1])
        for site in sorted(self.sites.glob("*")):
            for folder in sorted(site.glob("*")):
                if rounds := run_rounds(folder).numbers():
                    yield site.name, run_rounds(folder).path(rounds[-1])

    def saved_split(self, cohort: str) -> Path | None:
        """The file with the split of a cohort that the run or a simulated site keeps; None where there is none."""
        folders = (self.splits, *sorted(self.sites.glob(f"*/{self.splits.name}")))
        return next((path for folder in folders if (path := split_file(folder, cohort)).exists()), None)

    @contextmanager
    def open(self, config: Mapping[str, Any], *, resume: bool) -> Iterator[None]:
        """Begin or resume a run and keep its log; InputError where it would mix with an old or a different one."""
        self.check(config, resume=resume)
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path / LOCK_FILE):
            text = self.check(config, resume=resume, leading=True)
            if not resume:
                self._clear()
            (self.path / PAGE_FILE).unlink(missing_ok=True)  # it tells how the run ended, which it no longer has
            sweep(self.path)
            with atomic_file(self.config) as partial:
                partial.write_text(text)
            with self.logging():
                yield

    def check(self, config: Mapping[str, Any], *, resume: bool, leading: bool = False) -> str:
        """The configuration as it will be saved; InputError where the run would mix with an old or a different one.

        A run that ended before it had anything to show for itself is no such run. ``leading`` is for the process that
        holds the directory's lock.
        """
        text: str = yaml.safe_dump(dict(config), sort_keys=False)
        if resume:
            self._require_same(text)
        elif self.config.exists() and not leading and is_locked(self.path / LOCK_FILE):
            raise InputError(f"another process is writing to {self.path}: wait for it or end it")
        elif self.config.exists() and self._has_begun():
            raise InputError(
                f"{self.path} holds a run already: choose another out=, or go on with it by resume=true "
                "(run and study: --resume)"
            )
        return text

    def _has_begun(self) -> bool:
        """Whether there is more than what a run writes before its first round or step."""
        others = (path for path in self.path.iterdir() if path.name not in PREPARED and not path.name.startswith("."))
        empty = (self.checkpoints, self.metrics)
        return (
            any(path not in empty for path in others)
            or (self.checkpoints.is_dir() and any(self.checkpoints.iterdir()))
            or next(read_metrics(self.metrics), None) is not None
        )

    def _clear(self) -> None:
        """Remove what a run left that ended before its first round or step: its splits may be of other settings."""
        for folder in (self.splits, self.sites, self.checkpoints):
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Write what is logged meanwhile to ``log.txt``."""
        self.path.mkdir(parents=True, exist_ok=True)
        with logging_to(logging.FileHandler(self.log)):
            yield

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add one line with its time to ``metrics.jsonl``; what is not finite is null, since JSON has no NaN."""
        with self.metrics.open("a") as file:
            file.write(json.dumps({**_finite(line), "time": utc_text()}, allow_nan=False) + "\n")

    def truncate_lines(self, path: Path, key: str, end: int) -> None:
        """Forget lines of steps or rounds from ``end`` on, as in ``metrics.jsonl``: they will be written again."""
        if not path.exists():
            return
        kept = [line for line in read_metrics(path) if line[key] < end]
        with atomic_file(path) as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def _require_same(self, text: str) -> None:
        if not self.config.exists():
            raise InputError(f"nothing to resume in {self.path}: it has no config.yaml")
        old, new = yaml.safe_load(self.config.read_text()), yaml.safe_load(text)
        different = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        if different:
            raise InputError(f"cannot resume {self.path}: {', '.join(different)} differ from the run's config.yaml")


def split_file(folder: Path, cohort: str) -> Path:
    """The file that holds the split of a cohort in a folder of splits."""
    return folder / f"{cohort}.parquet"


@contextmanager
def logging_to(handler: logging.Handler) -> Iterator[None]:
    """Send what this project's packages log to a handler meanwhile, and close it."""
    handler.setFormatter(make_formatter())
    loggers = [logging.getLogger(package) for package in LOGGERS]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a ``metrics.jsonl``; a last line cut short by a crash is passed over."""
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
