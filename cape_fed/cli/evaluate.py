"""``cape-fed evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cape_fed.cli.encoder import BUNDLE, bundle_or_encoder
from cape_fed.compose import compose_config


def evaluate(
    bundle: Annotated[Path, typer.Argument(help=BUNDLE)],
    overrides: Annotated[list[str], typer.Argument(help="data.train=[...] data.evaluate=[...] out=DIR")],
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json.")] = False,
) -> None:
    """Evaluate an encoder on the cohorts it was trained on (ID) and on others (OOD), with baselines.

    Writes results.json, predictions.parquet and report.html to DIR. The run's own splits are used where they are
    found in the directory of the bundle. encoder=package.module:factory gives an encoder of somebody else's a row.

    Example: cape-fed evaluate runs/idb/bundle data.train=[stores/a,stores/b] data.evaluate=[stores/d] out=runs/idb
    """
    from cape_fed import jobs
    from cape_fed.cli.tables import print_results

    named, settings = bundle_or_encoder(bundle, overrides)
    config = compose_config(settings)
    results = jobs.evaluate(named, config)
    if as_json:
        print(results.model_dump_json(indent=1))
    else:
        print_results(results.methods(), config.out)
