"""``cape-fed provision``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def provision(
    federation: Annotated[Path, typer.Argument(help="The federation.yaml: name, address, plan, sites and roles.")],
    out: Annotated[Path, typer.Argument(help="Folder for the kits; made, or brought up to date.")],
    renew: Annotated[bool, typer.Option("--renew", help="Sign new certificates for the keys that are there.")] = False,
) -> None:
    """Make all that a federation starts with: an authority, a server certificate, and a kit for each side.

    OUT/authority holds the key that signs: keep it off the coordinator's machine. OUT/coordinator and each folder in
    OUT/sites are kits with a README of their own. Sites make their keys themselves, by 'cape-fed site enrol'. Run it
    again after a change of federation.yaml: keys and certificates that are there stay.

    Example: cape-fed provision federation.yaml kits
    """
    from cape_fed.compose import compose_config
    from cape_fed.errors import InputError
    from cape_fed.provision import provision as provisioning
    from cape_fed.provision.federation import read_federation

    described = read_federation(federation)
    try:
        compose_config([*described.plan, "out=-"])
    except InputError as error:
        raise InputError(f"{federation}: plan: {error}") from error
    changed = provisioning.provision(described, out, renew=renew)
    for name in changed:
        print(f"wrote {out / name}")
    for line in provisioning.ends(out):
        print(line)
    for site in provisioning.left_over(described, out):
        print(f"{site} has a kit and is no longer in {federation}: remove {out / 'sites' / site}", file=sys.stderr)
    if not changed:
        print("nothing has changed")
    print(f"go on with {out / 'coordinator' / 'README.md'}")
