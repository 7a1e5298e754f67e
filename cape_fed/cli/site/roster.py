"""``cape-fed site roster``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def roster(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    renew: Annotated[bool, typer.Option("--renew", help="Freeze a roster of who is in the stores now.")] = False,
    unspent: Annotated[bool, typer.Option("--unspent", help="Leave out patients whose ε is ∞.")] = False,
) -> None:
    """Show the roster of patients that private runs train on, or freeze a new one with --renew.

    A patient who is withdrawn leaves an empty slot, and every block that it is drawn into counts for nothing, until a
    new roster is frozen. What was spent stays spent: a new roster composes with the old ones for everyone in both. Who
    was held out for testing stays held out.

    Example: cape-fed site roster /etc/cape-fed/site.toml --renew
    """
    from cape_fed.site.budget import budget_lines, site_budget
    from cape_fed.site.node import read_site
    from cape_fed.site.private import renew_site_roster

    site = read_site(file)
    if renew or unspent:
        renew_site_roster(site, unspent=unspent)
    typer.echo("\n".join(budget_lines(site_budget(site))))
