"""Where a run is, in a small file that whoever follows it reads again and again."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic
from typing import Any

from cape_fed.files import atomic_file

STATUS_FILE = "status.json"

INTERVAL = 0.5
"""Seconds."""


class Status:
    """Writes ``status.json`` into a run directory."""

    def __init__(self, directory: Path, **fields: Any) -> None:
        self.path = directory / STATUS_FILE
        self.fields: dict[str, Any] = {"state": "joining", **fields}
        self._written = -INTERVAL

    def fail(self, error: str, code: int) -> None:
        """The run ended badly: why, in one line, and the exit code that goes with it."""
        self.update(state="failed", error=error, code=code)

    def update(self, **fields: Any) -> None:
        """Change some fields and write all: at once where the state changes, else every half a second at the most."""
        urgent = fields.get("state", self.fields["state"]) != self.fields["state"]
        self.fields |= fields
        if urgent or monotonic() - self._written > INTERVAL:
            self._written = monotonic()
            with atomic_file(self.path) as partial:
                partial.write_text(json.dumps(self.fields) + "\n")


def read_status(directory: Path) -> dict[str, Any]:
    """What was last written; empty where there is none."""
    try:
        found: dict[str, Any] = json.loads((directory / STATUS_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found
