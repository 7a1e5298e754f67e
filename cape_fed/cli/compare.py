"""``cape-fed compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Directories that cape-fed evaluate wrote; the first is the reference.")
    ],
    out: Annotated[Path, typer.Option(help="Directory for results.json and report.html.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json.")] = False,
) -> None:
    """Compare evaluated encoders on the same records, by the paired bootstrap of their differences.

    Example: cape-fed compare runs/random runs/idb runs/federated --out runs/compared
    """
    from cape_fed.cli.tables import print_results
    from cape_fed.evaluate.compare import compare_runs

    comparison = compare_runs(runs, out)
    if as_json:
        print(comparison.model_dump_json(indent=1))
    else:
        print_results(comparison.methods, out)
