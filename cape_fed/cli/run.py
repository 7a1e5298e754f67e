"""``cape-fed run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cape_fed.errors import InputError


def run(
    connection: Annotated[str | None, typer.Argument(help="Name of a SuperLink in Flower's config.toml.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. experiment=base roster=roster.yaml out=DIR")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this directory.")] = None,
    other_code: Annotated[bool, typer.Option("--other-code", help="Go on with other code than before.")] = False,
) -> None:
    """Run a federation on a SuperLink and follow it: round, sites answered, loss, bytes, time left.

    Sites are named in roster= by the names their SuperNodes are registered with; there is no run without a roster.
    The run goes on if this command is interrupted; --resume follows it again, or takes it up from its last checkpoint
    where it has ended.

    Example: cape-fed run hospitals experiment=base 'roster={hospital-a: train, hospital-b: evaluate}' out=runs/fed
    """
    from cape_fed.cli.remote import resume_run, start_run

    if resume is not None:
        if connection is not None:
            raise InputError("--resume takes connection and configuration from its directory: give it alone")
        out = resume_run(resume, other_code=other_code)
    elif connection is None or "=" in connection:
        raise InputError("name a SuperLink first: cape-fed run CONNECTION key=value ..., or --resume DIR")
    else:
        out = start_run(connection, overrides or [])
    print(out / "bundle")
