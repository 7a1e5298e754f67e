"""How a long command shows where it is: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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
