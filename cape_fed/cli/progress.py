"""How a long command shows its progress: a bar on a terminal, and nothing but notes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeRemaining
from rich.table import Column
from rich.text import Text

from cape_fed.progress import Progress as JobProgress


class ProgressBar:
    """A bar that counts in one unit, such as records, steps or rounds."""

    def __init__(self, display: Progress, unit: str, *, rate: bool) -> None:
        self._display = display
        self._unit = unit
        self._rate = rate
        self._task = display.add_task(unit, total=None, facts="")
        self.is_drawn = not display.disable
        """Whether there is a terminal to draw on; elsewhere nothing but notes is seen."""

    def update(self, done: int, total: int | None = None, facts: str = "") -> None:
        """Show that ``done`` of ``total`` units are done, with ``facts`` about the latest one.

        Without a ``total``, the previous one stays. As long as there is none, the bar shows a question mark.
        """
        speed = self._display.tasks[0].speed if self._rate else None
        shown = [f"{speed:.0f} {self._unit}/s"] if speed else []
        self._display.update(self._task, completed=done, total=total, facts="  ".join([*shown, facts]).strip())

    def note(self, text: str) -> None:
        """Write a line above the bar; without a terminal, to standard error."""
        self._display.console.print(text, highlight=False, markup=False, soft_wrap=True)


class _TimeColumn(TimeElapsedColumn):
    """The time left if the total is known, otherwise the time elapsed."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._remaining = TimeRemaining()

    def render(self, task: Task) -> Text:
        return super().render(task) if task.total is None else self._remaining.render(task)


@contextmanager
def progress_bar(unit: str, *, rate: bool = False) -> Iterator[ProgressBar]:
    """Show a bar on standard error while the block runs, with units per second if ``rate`` is set.

    The bar is drawn on a terminal only. In a pipe or a file, nothing but notes appears: the numbers of a run are in
    its ``metrics.jsonl``, which has one line for every round or logged step.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn(unit),
        BarColumn(),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),  # so that a narrow terminal shortens the bar instead
        TextColumn("{task.fields[facts]}", markup=False),
        _TimeColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as display:
        yield ProgressBar(display, unit, rate=rate)


def training_report(bar: ProgressBar) -> JobProgress:
    """A function for training to call after a round or step with a line of metrics; it shows the loss."""

    def report(done: int, total: int, line: Mapping[str, Any]) -> None:
        bar.update(done, total, loss_text(line.get("loss")))

    return report


def cell_report(bar: ProgressBar) -> JobProgress:
    """A function for a study to call after a cell with the reason if it failed; it notes the failure."""

    def report(done: int, total: int, facts: Mapping[str, Any]) -> None:
        if failure := facts.get("failure"):
            bar.note(f"a cell failed: {failure}")
        bar.update(done, total)

    return report


def loss_text(loss: float | None) -> str:
    """The loss as the bar shows it; a dash where none is told, as in a private run."""
    return "loss –" if loss is None else f"loss {loss:.3f}"
