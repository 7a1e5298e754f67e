"""``cape-fed status``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cape_fed.errors import InputError


def status(
    directory: Annotated[Path, typer.Argument(help="The run's directory, out= of the command that started it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print what status.json holds, with the state.")] = False,
) -> None:
    """Say where a federated run is: its state, rounds, sites, who is awaited, and what to do next.

    The exit code is 0 while it goes on and once it is finished, 1 or 2 where it failed, 3 where it was stopped, and 4
    where it is lost: the process that led it is gone without a word.

    Example: cape-fed status runs/fed
    """
    from cape_fed.cli.outlook import awaiting, headline, next_step, short_app
    from cape_fed.status import connection_of, exit_code, read_status, state_of

    found = read_status(directory)
    if not found:
        raise InputError(f"{directory} holds no federated run that has begun: there is no status.json to read")
    state = state_of(directory, found)
    if as_json:
        print(json.dumps({**found, "state": state}))
    else:
        lines = [
            headline(directory, state, found),
            f"led since {found.get('started', '?')}, last word {found.get('time', '?')}, run {found.get('run', '?')}, "
            f"app {short_app(found)}",
            *_sites(found),
            *filter(None, [awaiting(found) if state in ("joining", "running") else ""]),
            next_step(directory, state, found, connection_of(directory)),
        ]
        print("\n".join(lines))
    raise typer.Exit(exit_code(state, found))


def _sites(found: Mapping[str, Any]) -> list[str]:
    return [
        f"  {name}: {'online' if site['online'] else 'away'}, {site['role'] or 'not joined yet'}"
        + (f", {', '.join(site['cohorts'])}" if site["cohorts"] else "")
        + (f", {site['rounds']} rounds, {site['patients']} patients" if site["rounds"] else "")
        + (f", quarantined: {site['quarantined']}" if site["quarantined"] else "")
        for name, site in found.get("sites", {}).items()
    ]
