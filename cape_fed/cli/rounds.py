"""What the bar of a federation shows, from the run's ``status.json`` and ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cape_fed.cli.progress import ProgressBar, loss_text


class RoundsView:
    """A running federation on a bar: rounds done, sites that answered, loss, megabytes of the last round."""

    def __init__(self, bar: ProgressBar) -> None:
        self.bar = bar
        self.line: Mapping[str, Any] = {}
        bar.update(0, facts="joining")

    def add(self, line: Mapping[str, Any]) -> None:
        """Keep a line of ``metrics.jsonl`` if it is about a round; other lines hold measurements of the encoder."""
        if "bytes_up" in line:
            self.line = line

    def note(self, text: str) -> None:
        """Show a warning above the bar."""
        self.bar.note(text)

    def show(self, status: Mapping[str, Any]) -> None:
        """Draw the state of the run that ``status.json`` describes."""
        facts = []
        if "asked" in status:
            facts.append(f"{status['answered']}/{status['asked']} sites")
        if silent := status.get("silent"):
            facts.append(f"silent: {', '.join(silent)}")
        if self.line:
            moved = (self.line["bytes_down"] + self.line["bytes_up"]) / 1e6
            facts += [loss_text(self.line["loss"]), f"{moved:.1f} MB a round"]
        self.bar.update(status.get("rounds_done", 0), status.get("rounds"), "  ".join(facts) or "joining")
