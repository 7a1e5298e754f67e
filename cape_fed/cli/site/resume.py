"""``cape-fed site resume``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def resume(file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")]) -> None:
    """Take part again after 'cape-fed site pause' or 'leave'.

    After a pause that is from the next round on. A run that was left asks again once the node has been restarted.

    Example: cape-fed site resume /etc/cape-fed/site.toml
    """
    from cape_fed.site import presence
    from cape_fed.site.audit import record
    from cape_fed.site.node import read_site

    site = read_site(file)
    record(site, "resumed")
    presence.resume(site)
    print(f"{site.name} takes part again")
