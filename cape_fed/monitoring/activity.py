"""What a site has done so far, in one small file of its state directory: each message is a process of its own."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from time import time

from pydantic import BaseModel, ConfigDict, ValidationError

from cape_fed.files import overwrite
from cape_fed.lock import hold_place, is_place_held, locked_in_turn

log = logging.getLogger(__name__)

ACTIVITY_FILE, ACTIVITY_LOCK = "activity.json", ".activity.json.lock"
_PLACES = 2**40
_BYTES = 4096
"""Length that the file has at least: it is written in place, since an app may make no file beside it."""
ANSWERED, LOST = "answered", "lost"
"""Outcomes of a message; others are codes of failures. ``lost``: the process ended without an answer."""


class Working(BaseModel):
    """A message that is being worked on."""

    model_config = ConfigDict(extra="ignore")

    action: str
    since: float
    """Unix time."""
    place: int = -1
    """Of the lock file, held as long as the process lives: its id says nothing in the cage of another message."""


class Activity(BaseModel):
    """Sums over all messages, and facts on the last of them."""

    model_config = ConfigDict(extra="ignore")  # an older exporter reads what a newer ClientApp wrote

    messages: dict[str, dict[str, int]] = {}
    """How many, by action (join, train, evaluate) and outcome."""
    seconds: dict[str, float] = {}
    """Time spent, by action."""
    bytes_down: int = 0
    bytes_up: int = 0
    samples: int = 0
    """Recordings trained on: two a pair and step."""
    working: Working | None = None
    last_time: float | None = None
    """When the last message was answered, in Unix time."""
    run: str | None = None
    """Of the last message that named one."""
    round: int | None = None
    source: str | None = None
    """Hash of the code that answered last."""
    loss: float | None = None
    """Mean loss of the last round that was trained here."""
    samples_per_second: float | None = None
    epsilon: float | None = None
    """Of the site's patients in the run of the last message, if that is a private one."""
    gpu_peak_bytes: int | None = None
    """Most memory that PyTorch held on the GPU while it worked on the last message."""

    def begin(self, action: str, place: int, alive: Callable[[int], bool]) -> None:
        """A message has come, and ``place`` is held for it; one that ended without a word is counted as lost."""
        if self.working is not None and not alive(self.working.place):
            self._count(self.working.action, LOST)
        self.working = Working(action=action, since=time(), place=place)

    def end(self, action: str, outcome: str) -> None:
        """The message that `begin` noted has this outcome."""
        begun = self.working.since if self.working else time()
        self._count(action, outcome)
        self.seconds[action] = self.seconds.get(action, 0.0) + max(0.0, time() - begun)
        self.working, self.last_time = None, time()

    def _count(self, action: str, outcome: str) -> None:
        counts = self.messages.setdefault(action, {})
        counts[outcome] = counts.get(outcome, 0) + 1


def read_activity(state: Path) -> Activity | None:
    """What was last written in a site's state directory; None where there is nothing that can be read."""
    try:
        return Activity.model_validate_json((state / ACTIVITY_FILE).read_text())
    except (OSError, ValidationError):
        return None


def is_under_way(state: Path, working: Working) -> bool:
    """Whether the process that works on a message lives; it may have ended without a word, as when it is killed."""
    try:
        return working.place > 0 and is_place_held(state / ACTIVITY_LOCK, working.place)
    except FileNotFoundError:
        return False
    except OSError:  # a reader that may not open the file cannot tell
        return True


def begin_work(state: Path, action: str) -> int | None:
    """Note that work on a message begins; what is returned is to be closed when it ends, as it is with the process."""
    lock, place = state / ACTIVITY_LOCK, 1 + secrets.randbelow(_PLACES)
    held = None

    def begin(activity: Activity) -> None:
        nonlocal held
        held = hold_place(lock, place)
        activity.begin(action, place, lambda other: other > 0 and is_place_held(lock, other))

    note(state, begin)
    return held


def note(state: Path, change: Callable[[Activity], None]) -> None:
    """Change the file. It is a record for people: where it cannot be written the log says so and work goes on."""
    try:
        with locked_in_turn(state / ACTIVITY_LOCK):
            activity = read_activity(state) or Activity()
            change(activity)
            overwrite(state / ACTIVITY_FILE, json.dumps(activity.model_dump(mode="json")), _BYTES)
    except OSError as error:
        log.warning("%s cannot be written: %s", ACTIVITY_FILE, error.strerror)
