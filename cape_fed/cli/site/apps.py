"""``cape-fed site apps``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel


def apps(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the lists for machines.")] = False,
) -> None:
    """List the apps that this site runs, and the last ones that it was asked to run and refused.

    Example: cape-fed site apps /etc/cape-fed/site.toml
    """
    from cape_fed.federation.fab import app_hash
    from cape_fed.site.approvals import Approvals
    from cape_fed.site.node import read_site
    from cape_fed.site.refused import RefusedApps

    site = read_site(file)
    approved = Approvals(site).entries()
    known = {entry.hash for entry in approved}
    refused = [entry for entry in RefusedApps(site.state).entries() if entry.hash not in known]
    if as_json:
        lists: dict[str, list[BaseModel]] = {"approved": [*approved], "refused": [*refused]}
        print(json.dumps({name: [_plain(entry) for entry in found] for name, found in lists.items()}))
        return
    for one in approved:
        same = ", as installed here" if one.hash == app_hash() else ""
        print(f"approved {one.hash[:12]} {one.name} {one.version}, by {one.by}, {one.at:%Y-%m-%d %H:%M}{same}")
    for other in refused:
        print(f"refused  {other.hash[:12]} of run {other.run}, {other.size} bytes, {other.at:%Y-%m-%d %H:%M}")
    if not approved:
        print("no app is approved: this site runs none")


def _plain(entry: BaseModel) -> dict[str, Any]:
    return entry.model_dump(mode="json")
