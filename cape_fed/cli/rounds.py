"""What is shown of a federation that goes on, from the run's ``status.json`` and ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cape_fed.cli.outlook import awaiting
from cape_fed.cli.progress import ProgressBar, loss_text


class RoundsView:
    """A running federation: a bar on a terminal, elsewhere a line a round and one whenever others are awaited."""

    def __init__(self, bar: ProgressBar) -> None:
        self.bar = bar
        self.line: Mapping[str, Any] = {}
        self._rounds: int | None = None
        self._joining = ""
        bar.update(0, facts="joining")

    def add(self, line: Mapping[str, Any]) -> None:
        """Take a line of ``metrics.jsonl``; it is shown if it is about a round, not if it measures the encoder."""
        if "bytes_up" in line:
            self.line = line
            if not self.bar.is_drawn:
                self.bar.note(round_text(line, self._rounds))

    def note(self, text: str) -> None:
        """Show a warning above the bar."""
        self.bar.note(text)

    def show(self, status: Mapping[str, Any]) -> None:
        """Draw the state of the run that ``status.json`` describes."""
        self._rounds = status.get("rounds", self._rounds)
        if status.get("state", "joining") == "joining":
            self._show_joining(status)
            return
        facts = []
        if "asked" in status:
            facts.append(f"{status['answered']}/{status['asked']} sites")
        if silent := status.get("silent"):
            facts.append(f"silent: {', '.join(silent)}")
        if self.line:
            facts += [loss_text(self.line.get("loss")), f"{_megabytes(self.line):.1f} MB a round"]
        self.bar.update(status.get("rounds_done", 0), status.get("rounds"), "  ".join(facts))

    def _show_joining(self, status: Mapping[str, Any]) -> None:
        joined = f"joining: {status['answered']}/{status['asked']} sites" if "asked" in status else "joining"
        text = ", ".join(filter(None, [joined, awaiting(status)]))
        self.bar.update(status.get("rounds_done", 0), status.get("rounds"), text)
        if "asked" in status and text != self._joining and not self.bar.is_drawn:
            self.bar.note(text)
        self._joining = text


def round_text(line: Mapping[str, Any], rounds: int | None) -> str:
    """A round in one line; ``rounds`` is how many there will be."""
    missing = f", missing: {', '.join(line['missing'])}" if line.get("missing") else ""
    return (
        f"{line.get('time', '')} round {line['round'] + 1}/{rounds or '?'}: {len(line['sites'])} sites, "
        f"{loss_text(line.get('loss'))}, {_megabytes(line):.1f} MB, {line['seconds']:.1f} s{missing}"
    ).strip()


def _megabytes(line: Mapping[str, Any]) -> float:
    return float(line["bytes_down"] + line["bytes_up"]) / 1e6
