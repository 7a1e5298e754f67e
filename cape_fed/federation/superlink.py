"""A run on a SuperLink, started and watched through Flower's own command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cape_fed.appfiles import stage_app
from cape_fed.errors import InputError, RunError

FLWR = (sys.executable, "-c", "from flwr.cli.app import app; app(prog_name='flwr')")
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
"""Environment of all that is Flower's: nothing is told or looked up elsewhere."""
CALL_SECONDS = 120.0


class SuperLink:
    """The SuperLink behind a connection of Flower's ``config.toml``."""

    def __init__(self, connection: str) -> None:
        self.connection = connection

    def start(self, values: Mapping[str, str]) -> int:
        """Start a run of this project's app with a run config; its id. InputError where the SuperLink refuses it."""
        with tempfile.TemporaryDirectory(prefix="cape-fed-") as scratch:
            app = stage_app(Path(scratch) / "app")
            settings = Path(scratch) / "run.toml"
            # JSON's strings are TOML's as well.
            settings.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
            answer = self._call("run", [str(app), self.connection, "--run-config", str(settings)])
        return int(answer["run-id"])

    def status(self, run: int) -> str:
        """What the SuperLink says of a run, such as ``running`` or ``finished:completed``."""
        answer = self._call("list", [self.connection, "--run-id", str(run)])
        return str(answer["runs"][0]["status"])

    def _call(self, command: str, arguments: Sequence[str]) -> dict[str, Any]:
        """One call of ``flwr``; with ``--format json`` it exits with 0 even where it failed."""
        try:
            done = subprocess.run(
                [*FLWR, command, *arguments, "--format", "json"],
                capture_output=True,
                text=True,
                timeout=CALL_SECONDS,
                env={**os.environ, **QUIET},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RunError(
                f"SuperLink {self.connection} did not answer flwr {command} in {CALL_SECONDS:.0f} s"
            ) from error
        start = done.stdout.find("{")
        try:
            answer: dict[str, Any] = json.loads(done.stdout[start:]) if start >= 0 else {}
        except json.JSONDecodeError:
            answer = {}
        if not answer.get("success"):
            said = answer.get("error-message") or done.stderr or done.stdout or "no answer"
            raise InputError(f"SuperLink {self.connection}: {' '.join(str(said).split())[:300]}")
        return answer
