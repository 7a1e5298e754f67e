"""``cape-fed top``."""

from __future__ import annotations

from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from cape_fed.monitoring.overview import Overview


def top(
    place: Annotated[
        str, typer.Argument(metavar="DIR|ADDRESS", help="A run's out=, a folder of runs, or HOST:PORT of an exporter.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers once, as JSON.")] = False,
    page: Annotated[bool, typer.Option("--page", help="Write federation.html into DIR, and print its path.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")] = 2.0,
) -> None:
    """Watch a federation on the terminal: rounds, loss, who takes part, how long the parts of a round take.

    It reads a directory, or asks an exporter (cape-fed metrics, cape-fed site metrics). On a terminal it goes on until
    Ctrl-C; elsewhere it prints once.

    Example: cape-fed top runs/first
    """
    from rich.console import Console

    if page:
        from cape_fed.monitoring.page.document import write_page

        print(write_page(Path(place)))
        return
    look = _source(place)
    if as_json:
        print(look().model_dump_json(indent=1))
        return
    console = Console()
    if console.is_terminal:
        _watch(look, console, every)
    else:
        from cape_fed.monitoring.screen import draw

        Console(width=80 if console.width < 80 else console.width).print(draw(look()))


def _source(place: str) -> Callable[[], Overview]:
    """A function that looks once; InputError where there is nothing to look at."""
    from cape_fed.monitoring.coordinator import CoordinatorCollector
    from cape_fed.monitoring.overview import read_overview
    from cape_fed.monitoring.runs import Runs
    from cape_fed.monitoring.samples import Samples, fetch

    if Path(place).exists() or ":" not in place:
        collector = CoordinatorCollector(Runs(Path(place)))
        return lambda: read_overview(Samples(collector.collect()))
    return lambda: read_overview(fetch(place))


def _watch(look: Callable[[], Overview], console: Console, every: float) -> None:
    """Draw again and again until Ctrl-C; where there is no answer for a while, say so and go on asking."""
    from rich.live import Live
    from rich.text import Text

    from cape_fed.errors import InputError
    from cape_fed.monitoring.screen import draw

    shown = draw(look())
    with Live(shown, console=console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                sleep(every)
                live.update(draw(look()), refresh=True)
            except InputError as error:
                live.update(Text(str(error), style="bold red"), refresh=True)
            except KeyboardInterrupt:
                return
