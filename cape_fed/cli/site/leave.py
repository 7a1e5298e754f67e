"""``cape-fed site leave``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def leave(file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")]) -> None:
    """Take part in no run any more and remove what runs left here: splits, heads, optimisers, embeddings.

    The coordinator learns of it by the answer to its next message, and goes on if a quorum of the others is there: let
    the node run until log.txt shows that answer, then stop it. The logs stay. 'cape-fed site resume' comes back.

    Example: cape-fed site leave /etc/cape-fed/site.toml
    """
    from cape_fed.logs import LOG_FILE
    from cape_fed.site import presence
    from cape_fed.site.audit import record
    from cape_fed.site.node import read_site

    site = read_site(file)
    gone = presence.leave(site)
    record(site, "left", removed=gone)
    then = f"Once {site.state / LOG_FILE} says that the code LEFT was sent, the node can be stopped"
    print(f"{site.name} has left; removed what was kept of {len(gone)} runs. {then}")
