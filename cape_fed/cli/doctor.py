"""``cape-fed doctor``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cape_fed.archive.doctor import diagnose
from cape_fed.archive.doctor_text import render
from cape_fed.archive.registry import get_reader


def doctor(
    archive: Annotated[Path, typer.Argument(help="Folder or file of the archive; it is only read.")],
    format: Annotated[str, typer.Option(help="wfdb, ptbxl, code15, mimic-iv-ecg or manifest.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Look at the first so many records only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say what an archive holds and what is wrong with it, with examples and remedies; changes nothing.

    Example: cape-fed doctor ptb-xl --format ptbxl
    """
    reader = get_reader(format, verify=True)
    with _bar() as progress:
        report = diagnose(archive, reader, limit, progress)
    typer.echo(json.dumps(report.as_dict()) if as_json else render(report))


@contextmanager
def _bar() -> Iterator[Callable[[int], None]]:
    """A counter on a terminal; how many records there are is not known before the end."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} records"), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("records", total=None, rate="")

        def progress(done: int) -> None:
            speed = bar.tasks[task].speed
            bar.update(task, completed=done, rate=f"{speed:.0f} records/s" if speed else "")

        yield progress
