"""What the coordinator's kit and those of the sites hold, beside keys and certificates."""

from __future__ import annotations

import importlib.metadata
import json
from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from cape_fed.federation.kit import COORDINATOR_FILE
from cape_fed.federation.roster import RosterEntry
from cape_fed.provision.federation import Federation


def coordinator_files(federation: Federation) -> dict[str, str]:
    """Files of the coordinator's kit by path."""
    roster = {name: _entry(entry) for name, entry in federation.sites.items()}
    described = {"name": federation.name, "address": federation.address, "local_port": federation.local_port}
    return {
        COORDINATOR_FILE: json.dumps({**described, "plan": federation.settings}, indent=1) + "\n",
        "roster.yaml": yaml.safe_dump(roster, sort_keys=False),
        "README.md": _render("coordinator.md.j2", federation=federation),
        "nginx.conf": _render("nginx.conf.j2", federation=federation),
        "start.sh": _render("start.sh.j2", federation=federation),
        "cape-fed-coordinator.service": _render("cape-fed-coordinator.service.j2", federation=federation),
    }


def site_files(federation: Federation, name: str) -> dict[str, str]:
    """Files of one site's kit by path."""
    entry = federation.sites[name]
    facts: dict[str, Any] = {"federation": federation, "name": name, "role": entry.role}
    return {
        "README.md": _render("site.md.j2", **facts),
        "site.toml": _render("site.toml.j2", **facts),
        "cape-fed-site.service": _render("cape-fed-site.service.j2", **facts),
    }


def _entry(entry: RosterEntry) -> str | dict[str, Any]:
    return entry.role if entry.max_patients is None else entry.model_dump(exclude_none=True)


def _render(template: str, **facts: Any) -> str:
    return _templates().get_template(template).render(version=importlib.metadata.version("cape-fed"), **facts)


@cache
def _templates() -> Environment:
    loader = PackageLoader("cape_fed.provision")
    # Values are names, addresses and ports that `Federation` has checked; none of the files is HTML.
    return Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
