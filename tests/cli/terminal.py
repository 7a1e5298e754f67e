"""A real pseudo-terminal, to see what a user sees."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and movements of the cursor."""
COLUMNS = 100


class Terminal:
    """A pseudo-terminal of `COLUMNS` columns: ``end`` is written to, ``frames()`` says what was shown."""

    def __init__(self) -> None:
        self._reading, writing = os.openpty()
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.end = os.fdopen(writing, "w")
        self.received = b""
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()

    def frames(self) -> list[str]:
        """Close the terminal and return every line that it showed; a bar is one line each time that it was drawn."""
        self.close()
        text = CONTROL.sub("", self.received.decode())
        return [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]

    def close(self) -> None:
        """Close the writing end and wait until all that was written has been read."""
        self.end.close()
        self._reader.join()

    def _drain(self) -> None:
        """Read until every writer has closed its end, which Linux reports as an error."""
        with os.fdopen(self._reading, "rb", buffering=0) as reading, suppress(OSError):
            while block := reading.read(65536):
                self.received += block


def run_on_terminal(arguments: Sequence[str], cwd: Path) -> tuple[int, list[str]]:
    """Run ``cape-fed`` in ``cwd`` with output and errors on a terminal; return the exit code and the lines shown."""
    command = [sys.executable, "-c", "from cape_fed.cli.main import main; main()", *arguments]
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "CI")}
    terminal = Terminal()
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdout=terminal.end,
            stderr=terminal.end,
            env={**env, "TERM": "xterm"},
            timeout=200,
            check=False,
        )
    finally:
        terminal.close()
    return done.returncode, terminal.frames()
