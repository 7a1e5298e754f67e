"""``cape-fed site budget``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def budget(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what this site's patients have spent of their privacy, over all runs: ε by groups that share a past.

    The ledger behind it is this site's own; nobody elsewhere can override or reset it. Patients about whom
    something left without differential privacy have ε = ∞ from then on.

    Example: cape-fed site budget /etc/cape-fed/site.toml
    """
    from cape_fed.site.budget import budget_lines, site_budget
    from cape_fed.site.node import read_site

    found = site_budget(read_site(file))
    typer.echo(json.dumps(found) if as_json else "\n".join(budget_lines(found)))
