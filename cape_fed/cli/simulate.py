"""``cape-fed simulate``."""

from __future__ import annotations

from typing import Annotated

import typer

from cape_fed.cli.progress import progress_bar, training_report
from cape_fed.compose import compose_config
from cape_fed.tracking.follow import tracked


def simulate(
    overrides: Annotated[
        list[str], typer.Argument(help="Settings, such as experiment=small data.train=[A,B] out=DIR.")
    ],
) -> None:
    """Simulate a federation on this machine, with one site for each store.

    Stores in inner brackets form one site with several cohorts. engine=local runs the sites in this process,
    engine=flower runs them in Flower's simulation engine on Ray; both give the same weights. Sites of data.evaluate
    never train: they only measure the encoder.

    Example: cape-fed simulate experiment=small data.train=[stores/a,[stores/b,stores/c]] data.evaluate=[stores/d]
    out=runs/fed
    """
    from cape_fed.monitoring.page.document import write_page_of_ended
    from cape_fed.simulation import simulate_federation

    config = compose_config(overrides)
    try:
        with progress_bar("rounds") as bar, tracked(config.out, config.tracking):
            simulate_federation(config, training_report(bar))
    finally:
        write_page_of_ended(config.out)
    print(config.out / "bundle")
