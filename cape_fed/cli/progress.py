"""How a long command shows where it is: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cape_fed.progress import Progress as JobProgress

Report = Callable[[int, int, dict[str, Any]], None]
"""Called with what is done, what there is in all, and the latest line of metrics."""


@contextmanager
def training_bar(unit: str) -> Iterator[Report]:
    """A bar over steps or rounds with the latest loss and the time left."""
    console = Console(stderr=True)
    columns = (
        TextColumn(unit),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(unit, loss="", total=None)

        def report(done: int, total: int, line: dict[str, Any]) -> None:
            bar.update(task, completed=done, total=total, loss=f"loss {line['loss']:.3f}")

        yield report


class RoundsView:
    """A federation as it goes: rounds, sites answered, loss, bytes of the last round, time left."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.task = bar.add_task("rounds", total=None, facts="joining")
        self.line: dict[str, Any] = {}

    def add(self, line: dict[str, Any]) -> None:
        """Take in a line of ``metrics.jsonl``."""
        if "bytes_up" in line:
            self.line = line

    def note(self, text: str) -> None:
        """Show a warning above the bar."""
        self.bar.console.print(text, highlight=False, markup=False)

    def show(self, status: Mapping[str, Any]) -> None:
        """Draw where the run is by its ``status.json``."""
        facts = []
        if "asked" in status:
            facts.append(f"{status['answered']}/{status['asked']} sites")
        if silent := status.get("silent"):
            facts.append(f"silent: {', '.join(silent)}")
        if self.line:
            moved = (self.line["bytes_down"] + self.line["bytes_up"]) / 1e6
            loss = "–" if self.line["loss"] is None else f"{self.line['loss']:.3f}"
            facts += [f"loss {loss}", f"{moved:.1f} MB a round"]
        self.bar.update(
            self.task,
            completed=status.get("rounds_done", 0),
            total=status.get("rounds"),
            facts="  ".join(facts) or "joining",
        )


@contextmanager
def rounds_bar() -> Iterator[RoundsView]:
    """A `RoundsView` on a terminal; elsewhere one that shows warnings only."""
    console = Console(stderr=True, soft_wrap=True)
    columns = (
        TextColumn("rounds"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield RoundsView(bar)


@contextmanager
def cells_bar() -> Iterator[JobProgress]:
    """A bar over the cells of a study on a terminal, with the failures above it; elsewhere only those."""
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("cells", total=None)

        def report(done: int, total: int, facts: Mapping[str, Any]) -> None:
            if failure := facts.get("failure"):
                bar.console.print(f"a cell failed: {failure}", highlight=False, markup=False)
            bar.update(task, completed=done, total=total)

        yield report
