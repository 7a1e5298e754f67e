"""How many rounds of training a site has begun today: a file in its state, so that a restart forgets none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.files import overwrite
from cape_fed.lock import locked_in_turn
from cape_fed.site.config import SiteConfig

ROUNDS_FILE, LOCK_FILE = "rounds.json", ".rounds.lock"
_BYTES = 128


@dataclass
class Day:
    """Rounds of one day of the calendar."""

    rounds: int
    _day: str
    _file: Path

    def add(self) -> None:
        """Count one more."""
        self.rounds += 1
        overwrite(self._file, json.dumps({"day": self._day, "rounds": self.rounds}), _BYTES)


@contextmanager
def counting(site: SiteConfig, now: datetime) -> Iterator[Day]:
    """The day of ``now``, and no other process looks or counts meanwhile; InputError where the file is damaged."""
    day, file = f"{now:%Y-%m-%d}", site.state / ROUNDS_FILE
    with locked_in_turn(site.state / LOCK_FILE):
        yield Day(_read(file, day), day, file)


def _read(file: Path, day: str) -> int:
    try:
        text = file.read_text()
        if not text:  # made for an app that has not counted yet
            return 0
        found = json.loads(text)
        return int(found["rounds"]) if found["day"] == day else 0
    except FileNotFoundError:
        return 0
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} does not say how many rounds were begun today: correct or remove it") from error
