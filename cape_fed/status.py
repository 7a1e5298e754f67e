"""Where a run is, in a small file that whoever follows it reads again and again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from cape_fed.clock import utc_text
from cape_fed.errors import InputError, LostError, RunError, StoppedError
from cape_fed.files import atomic_file
from cape_fed.lock import is_locked
from cape_fed.rundir import LOCK_FILE, PLACE_FILE, STATUS_FILE

INTERVAL = 0.5
"""Seconds."""
STOPPED = "it was stopped"
"""Why a run ended whose process was told to end, by ``flwr stop``, Ctrl-C or the end of its SuperLink."""

State = Literal["joining", "running", "finished", "failed", "stopped", "lost"]
"""Of a run; ``lost`` is in no file: the process that led the run could not say so."""
ENDS: tuple[State, ...] = ("finished", "failed", "stopped")
"""States in which a run has said why it ended."""


class Status:
    """Writes ``status.json`` into a run directory."""

    def __init__(self, directory: Path, **fields: Any) -> None:
        self.path = directory / STATUS_FILE
        self.fields: dict[str, Any] = {"state": "joining", "started": utc_text(), **fields}
        self._written = -INTERVAL

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Write down how the run that is led in the block ends, where it does not finish; the error goes on."""
        try:
            yield
        except (InputError, RunError) as error:
            self._end("failed", str(error), 2 if isinstance(error, InputError) else error.code)
            raise
        except (KeyboardInterrupt, SystemExit):
            self._end("stopped", STOPPED, StoppedError.code)
            raise
        except Exception as error:
            self._end("failed", f"the coordinator failed with {type(error).__name__}: log.txt says where", 1)
            raise

    def finish(self, reason: str) -> None:
        """The run is done, and why it ended here."""
        self._end("finished", reason, 0)

    def update(self, **fields: Any) -> None:
        """Change some fields and write all: at once where the state changes, else every half a second at the most."""
        urgent = fields.get("state", self.fields["state"]) != self.fields["state"]
        self.fields |= fields
        if urgent or monotonic() - self._written > INTERVAL:
            self._written = monotonic()
            self.fields["time"] = utc_text()
            with atomic_file(self.path) as partial:
                partial.write_text(json.dumps(self.fields) + "\n")

    def _end(self, state: State, reason: str, code: int) -> None:
        """``error`` is the reason once more, where the run did not finish."""
        error = {} if state == "finished" else {"error": reason}
        self.update(state=state, reason=reason, code=code, awaited=[], silent=[], **error)


def read_status(directory: Path) -> dict[str, Any]:
    """What was last written; empty where there is none."""
    try:
        found: dict[str, Any] = json.loads((directory / STATUS_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found


def state_of(directory: Path, status: Mapping[str, Any]) -> State:
    """The state of the run with this ``status``: what it last said of itself, or that it is lost."""
    said: State = status.get("state", "joining")
    return said if said in ENDS or is_locked(directory / LOCK_FILE) else "lost"


def exit_code(state: State, status: dict[str, Any]) -> int:
    """The exit code that goes with a state: 0 for a run that is finished or goes on."""
    return {"failed": int(status.get("code", 1)), "stopped": StoppedError.code, "lost": LostError.code}.get(state, 0)


def connection_of(directory: Path) -> str | None:
    """The name of the SuperLink that a run was started on; None for a run on none."""
    try:
        return str(json.loads((directory / PLACE_FILE).read_text())["connection"])
    except (OSError, ValueError, KeyError):
        return None
