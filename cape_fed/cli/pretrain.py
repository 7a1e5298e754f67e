"""``cape-fed pretrain``."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Annotated

import typer

from cape_fed.cli.progress import progress_bar, training_report
from cape_fed.compose import compose_config
from cape_fed.tracking.follow import tracked


def pretrain(
    overrides: Annotated[
        list[str], typer.Argument(help="Settings, such as experiment=small data.train=[STORE] out=DIR.")
    ],
) -> None:
    """Pretrain an encoder centrally, with all cohorts in one place.

    This is the baseline of a federation. batching=idb takes each batch from one cohort, batching=random takes it from
    all cohorts together, and batching=idb+cross:0.1 takes a tenth of its pairs from other cohorts. Processes that
    torchrun starts share each batch.

    Example: cape-fed pretrain experiment=small data.train=[stores/a,stores/b] batching=idb out=runs/idb
    """
    from cape_fed.jobs import pretrain_centrally

    config = compose_config(overrides)
    is_first = os.environ.get("RANK", "0") == "0"
    with progress_bar("steps") as bar, tracked(config.out, config.tracking) if is_first else nullcontext():
        pretrain_centrally(config, training_report(bar))
    if is_first:
        print(config.out / "bundle")
