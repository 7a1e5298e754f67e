"""``cape-fed site check``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def check(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every step as JSON.")] = False,
) -> None:
    """Go every step of the way to a federation and say what is missing, each with a remedy.

    Stores, disk, device, time and memory of a training step, versions, route, proxy, TLS, clock, key. Exit code 0: the
    site can take part; 2: something has to be done first; 1: the SuperLink does not answer now.

    Example: cape-fed site check /etc/cape-fed/site.toml
    """
    from cape_fed.cli.site.steps import take_steps
    from cape_fed.site.check.look import require
    from cape_fed.site.node import read_site

    config = read_site(file)
    findings = take_steps(config, None if as_json else sys.stdout)
    if as_json:
        ready = all(finding.state not in ("failed", "waiting") for finding in findings.values())
        steps = [{"step": name, **asdict(finding)} for name, finding in findings.items()]
        print(json.dumps({"site": config.name, "can_take_part": ready, "steps": steps}, indent=1))
    require(config.name, findings)
