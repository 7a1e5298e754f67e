"""``cape-fed simulate``."""

from __future__ import annotations

from typing import Annotated

import typer

from cape_fed.cli.progress import progress_bar, training_report
from cape_fed.compose import compose_config


def simulate(
    overrides: Annotated[list[str], typer.Argument(help="key=value, e.g. experiment=small data.train=[A,B] out=DIR")],
) -> None:
    """Run a federation on this machine: one site a store, or a list of stores within the list for a site with several.

    engine=local keeps it in this process, engine=flower uses Flower's simulation engine on Ray; the weights are the
    same. Sites of data.evaluate never train; they measure the aggregated encoder.

    Example: cape-fed simulate experiment=small data.train=[a,[b,c]] data.evaluate=[d] out=runs/fed
    """
    from cape_fed.simulation import simulate_federation

    config = compose_config(overrides)
    with progress_bar("rounds") as bar:
        simulate_federation(config, training_report(bar))
    print(config.out / "bundle")
