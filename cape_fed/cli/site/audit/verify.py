"""``cape-fed site audit verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    head: Annotated[str | None, typer.Option(help="NUMBER:HASH that a coordinator wrote down.")] = None,
) -> None:
    """Say whether an entry of the audit log was changed, removed, moved, cut off or put back from an old copy.

    The log has to end with the hash that is kept outside its directory; with --head it also has to hold the entry that
    a coordinator saw when the site joined (in its log.txt and status.json). Exit code 1: it was changed.

    Example: cape-fed site audit verify /etc/cape-fed/site.toml
    """
    from cape_fed.site.node import read_site
    from cape_fed.site.verify import parse_head, verify_audit

    print(verify_audit(read_site(file), None if head is None else parse_head(head)))
