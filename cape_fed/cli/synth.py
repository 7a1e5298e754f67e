"""``cape-fed synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cape_fed.synthetic.catalogue import default_cohorts
from cape_fed.synthetic.write import write_cohorts


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write; must be new or empty.")],
    cohorts: Annotated[int, typer.Option(help="Number of cohorts; the fifth and sixth are for evaluation.")] = 6,
    patients: Annotated[int, typer.Option(help="Patients a cohort, about two records each.")] = 400,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
) -> None:
    """Write synthetic cohorts as WFDB archives, to try every later step on.

    Each cohort has people and machines of its own. OUT/cohorts.json lists them, OUT/truth holds what was drawn.

    Example: cape-fed synth synthetic --patients 400
    """
    specs = default_cohorts(cohorts, seed)
    console = Console(stderr=True)
    columns = (TextColumn("patients"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("patients", total=patients * len(specs))
        listing = write_cohorts(out, specs, patients, seed, lambda done: bar.advance(task, done))
    for cohort in listing:
        print(f"{cohort['name']}  {cohort['role']:8}  {cohort['patients']} patients  {cohort['records']} records")
