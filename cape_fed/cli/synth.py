"""``cape-fed synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cape_fed.cli.progress import progress_bar
from cape_fed.synthetic.catalogue import default_cohorts
from cape_fed.synthetic.write import write_cohorts


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write; it must be new or empty.")],
    cohorts: Annotated[
        int, typer.Option(help="Number of cohorts. Of the default six, the last two are for evaluation.")
    ] = 6,
    patients: Annotated[int, typer.Option(help="Patients in each cohort, with about two records each.")] = 400,
    seed: Annotated[int, typer.Option(help="Seed; an equal seed gives equal files.")] = 0,
) -> None:
    """Write synthetic cohorts as WFDB archives, on which every later command can be tried.

    Each cohort has its own patients and its own ECG machines. OUT/cohorts.json lists the cohorts and their machines.
    OUT/truth has a table for each cohort with the labels, intervals and artefacts of every record.

    Example: cape-fed synth synthetic --patients 400
    """
    specs = default_cohorts(cohorts, seed)
    with progress_bar("patients") as bar:
        bar.update(0, patients * len(specs))
        listing = write_cohorts(out, specs, patients, seed, bar.update)
    for cohort in listing:
        print(f"{cohort['name']}  {cohort['role']:8}  {cohort['patients']} patients  {cohort['records']} records")
