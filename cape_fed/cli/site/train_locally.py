"""``cape-fed site train-locally``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train_locally(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    out: Annotated[Path, typer.Argument(help="Folder for the encoder and its report.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value in place of what site.toml's plan says.")
    ] = None,
) -> None:
    """Train an encoder of your own on your own stores, and evaluate it: what the federation has to be better than.

    It trains as 'cape-fed pretrain' does, for train.steps steps, and writes bundle and report.html. It connects to
    nobody.

    Example: cape-fed site train-locally /etc/cape-fed/site.toml runs/own train.steps=2000
    """
    from cape_fed import jobs
    from cape_fed.cli.progress import progress_bar, training_report
    from cape_fed.cli.site.steps import planned_run
    from cape_fed.cli.tables import print_results
    from cape_fed.compose import validate_config
    from cape_fed.site.node import read_site

    site = read_site(file)
    plain = planned_run(site, overrides or []).saved()
    stores = [str(store) for store in site.stores]
    placed = {"data": {"train": stores}, "out": str(out), "device": site.device, "threads": site.threads}
    config = validate_config({**plain, **placed})
    with progress_bar("steps") as bar:
        jobs.pretrain_centrally(config, training_report(bar))
    print_results(jobs.evaluate(out / "bundle", config).methods(), out)
    print(out / "bundle")
