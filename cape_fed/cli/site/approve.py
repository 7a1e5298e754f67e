"""``cape-fed site approve``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cape_fed.errors import InputError


def approve(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    app: Annotated[
        str | None,
        typer.Argument(help="A file, or the number of a run, or digits of a hash that was asked for and refused."),
    ] = None,
    same_as_installed: Annotated[
        bool, typer.Option("--same-as-installed", help="Approve exactly the app that this installation would send.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show changed lines, not only changed files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Approve without asking.")] = False,
) -> None:
    """Show what is inside an app and how it differs from the one approved last, and let this site run it.

    A site runs no other code. An app that a run asked for and that was refused is named by the number of the run, as
    log.txt gives it. Nothing of the app is run to show it.

    Example: cape-fed site approve /etc/cape-fed/site.toml 8423951237452195
    """
    from cape_fed.cli.site.showing import compare_apps, describe_app
    from cape_fed.federation.fab import pack_app, read_app
    from cape_fed.site.approvals import Approvals, find_app
    from cape_fed.site.node import read_site
    from cape_fed.site.refused import RefusedApps

    if (app is None) != same_as_installed:
        raise InputError("name an app, or give --same-as-installed, one of the two")
    site = read_site(file)
    approvals = Approvals(site)
    content = pack_app() if app is None else find_app(app, RefusedApps(site.state))
    new, installed = read_app(content), read_app(pack_app())
    last = approvals.last()
    for line in describe_app(new, same=new.hash == installed.hash):
        print(line)
    against, what = (last, "the app approved last") if last else (installed, "the app of this installation")
    for line in compare_apps(against, new, what, diff):
        print(line)
    if approvals.find(new.hash):
        print("it is approved already")
        return
    if not (yes or same_as_installed):
        if not sys.stdin.isatty():
            raise InputError("nothing is approved: give --yes where there is nobody to ask")
        if not typer.confirm("let this site run it?"):
            raise InputError("nothing is approved")
    entry = approvals.approve(content)
    print(f"approved by {entry.by}: {entry.hash}")
