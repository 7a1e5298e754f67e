"""``cape-fed demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Directory to write; it must be new or empty.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the cohorts and of training.")] = 0,
) -> None:
    """Run all steps on synthetic cohorts, from archives to a report that compares three encoders.

    The encoders are pretrained on four cohorts: centrally with random batches, centrally with in-distribution
    batches, and in a federation. They are compared on two cohorts that took no part. This takes minutes on two cores.

    Example: cape-fed demo --out demo
    """
    from cape_fed.cli.tour import take_tour

    take_tour(out, seed)
