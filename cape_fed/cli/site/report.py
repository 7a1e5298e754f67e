"""``cape-fed site report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    out: Annotated[Path, typer.Argument(help="The ZIP file to write.")],
    yes: Annotated[bool, typer.Option("--yes", help="Write it without a question.")] = False,
) -> None:
    """Bundle this site's logs for support, with names, paths and hosts removed; shown before anything is written.

    Names of the site, cohorts, hosts and users, paths, recordings and patients go; of all other words only those stay
    that are in cape-fed's own code. Read what is shown all the same: it is you who hands it over. Nothing is sent.

    Example: cape-fed site report /etc/cape-fed/site.toml support.zip
    """
    from cape_fed.cli.site.metrics import watched
    from cape_fed.errors import InputError
    from cape_fed.monitoring.support import gather_support

    if out.is_dir():
        raise InputError(f"{out} is a directory: name the ZIP file to write")
    support = gather_support(watched(file), file)
    if sys.stdin.isatty() and sys.stdout.isatty():
        typer.echo_via_pager(support.shown())
        if not yes and not typer.confirm(f"Write this to {out}?"):
            print("nothing is written", file=sys.stderr)
            return
    else:
        print("".join(support.shown()))
        if not yes:
            raise InputError(f"nothing is written: read the above, and add --yes to write it to {out}")
    support.write(out)
    print(f"written: {out}, {out.stat().st_size} bytes. Nothing was sent.", file=sys.stderr)
