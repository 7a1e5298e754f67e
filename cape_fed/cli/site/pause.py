"""``cape-fed site pause``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pause(file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")]) -> None:
    """Answer no message until 'cape-fed site resume', while the node runs on; coordinators are told by a code.

    What is worked on now is finished and not sent.

    Example: cape-fed site pause /etc/cape-fed/site.toml
    """
    from cape_fed.site import presence
    from cape_fed.site.audit import record
    from cape_fed.site.node import read_site

    site = read_site(file)
    presence.pause(site)
    record(site, "paused")
    print(f"{site.name} is paused: cape-fed site resume {file}")
