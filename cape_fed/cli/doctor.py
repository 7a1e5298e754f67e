"""``cape-fed doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cape_fed.archive.doctor import diagnose
from cape_fed.archive.doctor_text import render
from cape_fed.archive.names import write_names
from cape_fed.archive.registry import READERS, get_reader
from cape_fed.cli.progress import progress_bar
from cape_fed.store.keys import site_salt


def doctor(
    archive: Annotated[Path, typer.Argument(help="Folder or file of the archive; it is only read.")],
    format: Annotated[str, typer.Option(help=f"{', '.join(READERS)}.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Look at the first so many records only.")] = None,
    names: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write a CSV of each record's file, for you alone."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say what an archive holds and what is wrong with it, with examples and remedies; changes nothing.

    Example: cape-fed doctor ptb-xl --format ptbxl
    """
    reader = get_reader(format, verify=True, salt=site_salt)
    with progress_bar("records", rate=True) as bar:
        report = diagnose(archive, reader, limit, bar.update)
    if names is not None:
        write_names(archive, reader, names)
    typer.echo(json.dumps(report.as_dict()) if as_json else render(report))
