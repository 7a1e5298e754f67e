"""``cape-fed site audit show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    run: Annotated[str | None, typer.Option(help="Only what belongs to this run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print whole entries as JSON, one a line.")] = False,
) -> None:
    """Print the audit log: when what was asked, sent (names, shapes, norms, numbers), refused, approved or changed.

    Example: cape-fed site audit show /etc/cape-fed/site.toml --run 0123456789ab
    """
    import json

    from cape_fed.errors import RunError
    from cape_fed.site.audit import log_file, read_entries
    from cape_fed.site.node import read_site
    from cape_fed.site.verify import entry_line

    site = read_site(file)
    try:
        for entry, _ in read_entries(site):
            if run is None or entry.get("run") == run:
                print(json.dumps(entry) if as_json else entry_line(entry))
    except ValueError as error:
        raise RunError(f"{log_file(site)}: {error}: 'cape-fed site audit verify' looks closer") from error
