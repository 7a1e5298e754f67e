"""Numbered checkpoints in a directory: how they are named, how many are kept, and which one can be read."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cape_fed.errors import InputError, VersionError
from cape_fed.files import atomic_directory

log = logging.getLogger(__name__)

State = TypeVar("State")
KEEP = 2
"""Number of checkpoints that stay, so that there is another one where the newest is damaged."""


class Checkpoints:
    """The checkpoints of one process, each a directory such as ``round-000012`` that appears whole or not at all."""

    def __init__(self, directory: Path, prefix: str, digits: int) -> None:
        self.directory = directory
        self.prefix = prefix
        self.digits = digits

    def path(self, number: int) -> Path:
        """Directory of a checkpoint, which need not exist."""
        return self.directory / f"{self.prefix}-{number:0{self.digits}d}"

    def numbers(self) -> list[int]:
        """Numbers of the checkpoints that are there, in rising order."""
        found = self.directory.glob(f"{self.prefix}-*") if self.directory.is_dir() else ()
        suffixes = (path.name.removeprefix(f"{self.prefix}-") for path in found)
        return sorted(int(suffix) for suffix in suffixes if suffix.isdigit())

    @contextmanager
    def write(self, number: int) -> Iterator[Path]:
        """Yield a directory to write to; it becomes the checkpoint when the block ends well."""
        with atomic_directory(self.path(number)) as partial:
            yield partial

    def keep_newest(self, count: int = KEEP) -> None:
        """Remove all checkpoints but the newest ``count``."""
        self.keep(set(self.numbers()[-count:]))

    def keep(self, numbers: set[int]) -> None:
        """Remove all checkpoints but those of ``numbers``."""
        for number in self.numbers():
            if number not in numbers:
                shutil.rmtree(self.path(number), ignore_errors=True)

    def read_newest(self, read: Callable[[Path], State], up_to: int | None = None) -> tuple[int, State] | None:
        """The newest checkpoint, of at most number ``up_to``, that ``read`` can read; None where there are none.

        ``read`` raises InputError for a damaged one. The log then says so and the one before it is tried; InputError
        where none can be read. VersionError goes through: an older checkpoint would not be what was asked for.
        """
        numbers = [number for number in self.numbers() if up_to is None or number <= up_to]
        for number in reversed(numbers):
            try:
                return number, read(self.path(number))
            except VersionError:
                raise
            except InputError as error:
                if number == numbers[0]:
                    raise
                log.warning("checkpoint %s is damaged, the one before it is used: %s", self.path(number).name, error)
        return None


def run_steps(directory: Path) -> Checkpoints:
    """Checkpoints of a central run, by the number of steps done."""
    return Checkpoints(directory, "step", 8)


def run_rounds(directory: Path) -> Checkpoints:
    """Checkpoints of a coordinator or a site, by the number of the round that comes next."""
    return Checkpoints(directory, "round", 6)
