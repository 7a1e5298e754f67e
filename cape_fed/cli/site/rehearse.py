"""``cape-fed site rehearse``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def rehearse(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value in place of what site.toml's plan says.")
    ] = None,
) -> None:
    """Run a federation of two with yourself: two halves of your own patients, under your own limits.

    Takes two short rounds with batches of the planned size, then an evaluation, and says what happened and how much
    would have left. It connects to nobody, and its files are deleted at the end.

    Example: cape-fed site rehearse /etc/cape-fed/site.toml
    """
    from cape_fed.cli.progress import progress_bar, training_report
    from cape_fed.cli.site.steps import planned_run
    from cape_fed.cli.site.words import rehearsal_words
    from cape_fed.rehearsal import rehearse as rehearse_site
    from cape_fed.site.node import read_site

    site = read_site(file)
    config = planned_run(site, overrides or [])
    with progress_bar("rounds") as bar:
        done = rehearse_site(site, config, training_report(bar))
    for warning in done.warnings:
        print(f"look  {warning}", file=sys.stderr)
    for line in rehearsal_words(done):
        print(line)
