"""``cape-fed finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cape_fed.cli.encoder import BUNDLE, bundle_or_encoder
from cape_fed.compose import compose_config


def finetune(
    bundle: Annotated[Path, typer.Argument(help=BUNDLE)],
    overrides: Annotated[list[str], typer.Argument(help="data.train=[...] data.evaluate=[...] out=DIR")],
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json.")] = False,
) -> None:
    """Train an encoder further with labels: a linear layer, all of it, or upper layers faster; compared with scratch.

    With 1, 10 and 100 % of the labels of data.train; tested on its test patients and on data.evaluate (OOD). PTB-XL is
    split by its folds. Writes results.json, predictions.parquet and report.html to DIR; resume=true goes on.
    encoder=package.module:factory in place of BUNDLE takes an encoder of somebody else's.

    Example: cape-fed finetune runs/idb/bundle data.train=[stores/ptbxl] out=runs/idb-ptbxl
    """
    from cape_fed import jobs
    from cape_fed.cli.progress import cell_report, progress_bar
    from cape_fed.cli.tables import print_finetune

    named, settings = bundle_or_encoder(bundle, overrides)
    config = compose_config(settings)
    with progress_bar("cells") as bar:
        results = jobs.finetune(named, config, cell_report(bar))
    if as_json:
        print(results.model_dump_json(indent=1))
    else:
        print_finetune(results, config.out)
