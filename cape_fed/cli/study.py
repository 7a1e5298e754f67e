"""``cape-fed study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cape_fed.errors import InputError


def study(
    name: Annotated[
        str, typer.Argument(help="composition, batching, federation, leave-one-out or worlds; or a YAML file.")
    ],
    overrides: Annotated[list[str], typer.Argument(help="key=value or key=v1,v2 for every trial, and out=DIR.")],
    question: Annotated[
        list[str] | None, typer.Option(help="Only this question of the study; may be repeated.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials trained at a time on this machine.")] = 1,
    ray: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster to train the trials on; local starts one.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in out=DIR.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json.")] = False,
) -> None:
    """Train many encoders alike but for one thing, and say what that thing does inside and outside their cohorts.

    composition: who the pretraining patients are. batching: from whom the pairs of a batch come, and which artefacts
    are learnt. federation: how the sites' updates are combined. worlds: whether in-distribution batches help in
    hospitals in general, and why. leave-one-out: whether they help on cohorts of your own, each left out in turn.
    Values may be swept as in Hydra: seed=range(5).

    Example: cape-fed study batching data.train=[stores/a,stores/b] data.evaluate=[stores/c] out=studies/batching
    """
    from cape_fed.cli.progress import cell_report, progress_bar
    from cape_fed.study.config import read_study
    from cape_fed.study.run import run_study

    out, others = take_out(overrides)
    chosen = read_study(name).only(question or [])
    with progress_bar("cells") as bar:
        report = cell_report(bar)
        results = run_study(chosen, others, out, workers=workers, ray=ray, resume=resume, progress=report)
    if as_json:
        print(results.model_dump_json(indent=1))
    else:
        from cape_fed.cli.tables import print_study

        print_study(results, out)


def take_out(overrides: list[str]) -> tuple[Path, list[str]]:
    """The directory that ``out=`` names, and the other overrides."""
    found = [text.partition("=")[2] for text in overrides if text.startswith("out=")]
    if len(found) != 1 or not found[0]:
        raise InputError("out is missing: say where to write with out=DIR")
    return Path(found[0]), [text for text in overrides if not text.startswith("out=")]
