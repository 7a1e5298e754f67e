"""``cape-fed demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Directory to write; must be new or empty.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of cohorts and training.")] = 0,
) -> None:
    """Do all of it on synthetic cohorts: archives, stores, three pretrainings, evaluation, comparison, report.

    Central training on random batches, central training on in-distribution batches and a federation of the same
    four cohorts are compared on two cohorts that took no part. Takes minutes on two cores.

    Example: cape-fed demo --out demo
    """
    from cape_fed.cli.tour import take_tour

    take_tour(out, seed)
