"""``cape-fed site start``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def start(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    check: Annotated[bool, typer.Option("--check", help="Only check, as 'cape-fed site check' does.")] = False,
) -> None:
    """Take part in federations: check what site.toml says, then run Flower's SuperNode until it is stopped.

    The file names the site, its role (train or evaluate), its stores, where it keeps its state, what it lets itself be
    asked for, and the SuperLink with the certificate and the key to reach it by.

    Example: cape-fed site /etc/cape-fed/site.toml
    """
    from cape_fed.cli.site.steps import show, take_steps
    from cape_fed.site.check.look import require
    from cape_fed.site.node import read_site, start_node

    config = read_site(file)
    if check:
        require(config.name, take_steps(config, sys.stdout))
        return
    findings = take_steps(config, thorough=False)
    # What only has to be waited for is Flower's to wait for.
    require(config.name, {name: finding for name, finding in findings.items() if finding.state != "waiting"})
    for name, finding in findings.items():
        show(name, finding, sys.stderr)
    start_node(file, config)
