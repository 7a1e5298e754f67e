"""``cape-fed sites``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cape_fed.errors import InputError


def sites(
    connection: Annotated[str, typer.Argument(help="The coordinator's kit, or a SuperLink in Flower's config.toml.")],
    register: Annotated[Path | None, typer.Option(help="Public half of the key of a site to let in.")] = None,
    name: Annotated[
        str | None, typer.Option(help="The site's name, as in its site.toml; that of the file, SITE.pub, if absent.")
    ] = None,
    remove: Annotated[str | None, typer.Option(help="Let the site with this name in no more.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the sites as JSON.")] = False,
) -> None:
    """Show who is registered on a SuperLink: name, online or not, last seen, role and cohorts in its last run.

    With --register a site is let in, if its name is free: compare the fingerprint with what the site sees, by
    telephone. With --remove one is let in no more, and its key can never be registered again: a site that returns makes
    a new one.

    Example: cape-fed sites kits/coordinator --register hospital-a.pub
    """
    from cape_fed.federation.superlink import SuperLink
    from cape_fed.provision.registration import check_public_key, site_of

    link = SuperLink(connection)
    if register is None and name is not None:
        raise InputError("--name goes with --register KEY.pub")
    if register is not None:
        shown = check_public_key(register)
        site = site_of(connection, register, name)
        print(f"{site} is registered as node {link.register(site, register)}, fingerprint {shown}")
        return
    if remove is not None:
        print(f"{remove} is let in no more (node {', '.join(map(str, link.remove(remove)))})")
        return
    found = _describe(link.nodes())
    if as_json:
        print(json.dumps(found))
        return
    print(_table(found))


def _describe(nodes: Sequence[Any]) -> list[dict[str, Any]]:
    """Each node with what the newest run that knew its site says of it."""
    from cape_fed.clock import utc_text
    from cape_fed.federation.noted import noted_runs
    from cape_fed.status import read_status

    known: dict[str, dict[str, Any]] = {}
    for directory in noted_runs():
        for site, said in read_status(directory).get("sites", {}).items():
            if said["role"]:
                known.setdefault(site, said)
    return [
        {
            "name": node.name,
            "node": str(node.id),
            "online": node.online,
            "last_seen": None if node.last_seen is None else utc_text(node.last_seen),
            "role": known.get(node.name, {}).get("role"),
            "cohorts": known.get(node.name, {}).get("cohorts", []),
        }
        for node in nodes
    ]


def _table(found: Sequence[dict[str, Any]]) -> str:
    """Columns wide enough for what they hold; a name that two nodes have is marked."""
    names = [site["name"] for site in found]
    rows = [("NAME", "ONLINE", "LAST SEEN", "ROLE", "COHORTS", "NODE")]
    rows += [
        (
            (site["name"] or "(no name)") + (" (twice!)" if site["name"] and names.count(site["name"]) > 1 else ""),
            "yes" if site["online"] else "no",
            site["last_seen"] or "never",
            site["role"] or "not known yet",
            ", ".join(site["cohorts"]) or "–",
            site["node"],
        )
        for site in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
