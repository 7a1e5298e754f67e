"""``cape-fed site start``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def start(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    check: Annotated[bool, typer.Option("--check", help="Only check that the site could take part.")] = False,
) -> None:
    """Take part in federations: check what site.toml says, then run Flower's SuperNode until it is stopped.

    The file names the site, its role (train or evaluate), its stores, where it keeps its state, what it lets itself be
    asked for, and the SuperLink with the certificate and the key to reach it by.

    Example: cape-fed site /etc/cape-fed/site.toml
    """
    from cape_fed.site.node import check_site, read_site, start_node
    from cape_fed.site.reach import check_reach

    config = read_site(file)
    lines = check_site(config)
    if config.superlink is not None and (trouble := check_reach(config.superlink)):
        lines.append(f"  {trouble}")
    for line in lines:
        print(line, file=sys.stdout if check else sys.stderr, flush=True)
    if not check:
        start_node(file, config)
