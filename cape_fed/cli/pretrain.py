"""``cape-fed pretrain``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cape_fed.cli.progress import progress_bar, training_report
from cape_fed.compose import compose_config


def pretrain(
    overrides: Annotated[list[str], typer.Argument(help="key=value, e.g. experiment=small data.train=[STORE] out=DIR")],
) -> None:
    """Pretrain an encoder centrally, on all cohorts in one place: the baseline of a federation.

    batching=idb takes every batch from one cohort, batching=random from the pool, batching=idb+cross:0.1 a tenth of
    every batch from other cohorts. Under torchrun the processes share every batch.

    Example: cape-fed pretrain experiment=small data.train=[stores/a,stores/b] batching=idb out=runs/idb
    """
    from cape_fed.jobs import pretrain_centrally

    config = compose_config(overrides)
    with progress_bar("steps") as bar:
        pretrain_centrally(config, training_report(bar))
    if os.environ.get("RANK", "0") == "0":
        print(config.out / "bundle")
