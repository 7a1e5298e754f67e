"""What a site brings to a run: its stores, where it computes, and what it lets itself be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from cape_fed.errors import InputError
from cape_fed.federation.roster import Role
from cape_fed.section import Section
from cape_fed.site.limits import Limits
from cape_fed.site.mistakes import check_lists, explain

__all__ = ["LEDGER", "Limits", "PrivacyLimits", "SiteConfig", "SuperLinkAccess", "site_from_node_config"]
LEDGER = "privacy"
"""Folder of the privacy ledger under a site's state."""


class PrivacyLimits(Section):
    """What the site lets be done with its training patients; no coordinator can lift it."""

    required: bool = Field(default=False, description="whether the site trains under differential privacy only")
    epsilon: float = Field(default=10.0, gt=0, description="most ε of a patient over all runs; inf: no bound")
    ledger_head: Path | None = Field(
        default=None, description="file with the ledger's last hash, outside state and best on another disk"
    )


class SuperLinkAccess(Section):
    """Where the coordinator's SuperLink is, and how the site proves that it is itself."""

    address: str = Field(min_length=1, description="HOST:PORT")
    certificate: Path = Field(description="certificate of the authority that signed the SuperLink's")
    key: Path = Field(description="private key whose public half the coordinator registered under the site's name")
    local_port: int | None = Field(default=None, gt=0, lt=65536, description="port on this machine; any if absent")


class CageOptions(Section):
    """What holds an app that runs here."""

    kind: Literal["auto", "bubblewrap", "none"] = Field(
        default="auto", description="bubblewrap is required, or none wanted; auto takes it where it works"
    )
    memory_gb: float | None = Field(default=None, gt=0, description="memory of an app; three quarters of the machine's")
    processes: int = Field(default=1024, gt=0, description="processes and threads of an app")


class SiteConfig(Section):
    """A site's own settings; the coordinator has no say in them."""

    name: str = Field(min_length=1)
    role: Role
    stores: tuple[Path, ...] = Field(min_length=1)
    state: Path
    """Directory for the site's own files: splits, head, optimiser, log."""
    device: str = "auto"
    threads: int | None = Field(default=None, gt=0)
    limits: Limits = Limits()
    privacy: PrivacyLimits = PrivacyLimits()
    plan: str = ""
    """What the coordinator means to run, as ``key=value key=value``: `site check` and `rehearse` go by it."""
    superlink: SuperLinkAccess | None = None
    cage: CageOptions = CageOptions()
    keep_runs: int = Field(default=3, gt=0, description="runs whose directories stay in state, the last used ones")
    apps: Path | None = Field(default=None, description="folder of the apps that the site runs; beside site.toml")
    audit_head: Path | None = Field(default=None, description="file with the audit log's last hash, outside state")
    own_process: bool = True
    """Whether this process serves one message and ends, as under a SuperNode: a watchdog may then end it."""

    @property
    def audit_head_file(self) -> Path:
        """Where the last hash of the audit log is kept a second time; beside the state unless the file says where."""
        return self.audit_head or self.state.with_name(f"{self.state.name}.audit-head")

    @property
    def ledger_head_file(self) -> Path:
        """Where the ledger's last hash is kept a second time; beside the state unless the file says where."""
        return self.privacy.ledger_head or self.state.with_name(f"{self.state.name}.ledger-head")

    def run_folder(self, run: str) -> Path:
        """Where the site keeps its state in the run called ``run``."""
        return self.state / run

    def splits(self, run: str) -> Path:
        """Where the run called ``run`` keeps its splits; in a simulation the whole of ``state`` is one run's."""
        return self.run_folder(run) / "splits" if self.own_process else self.state / "splits"


def site_from_node_config(values: Mapping[str, Any]) -> SiteConfig:
    """The site that a ``site.toml`` describes, as Flower hands it over: with tables as dotted keys and no lists.

    ``stores`` is a table from any label to a path, taken in the order of labels. InputError naming the first key that
    is wrong.
    """
    check_lists(values)
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *tables, last = str(key).split(".")
        place = nested
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise InputError(f"site.toml: {table} is a value and a table at once")
        place[last] = value
    stores = nested.get("stores", {})
    nested["stores"] = [stores[label] for label in sorted(stores)] if isinstance(stores, dict) else [stores]
    try:
        return SiteConfig.model_validate(nested)
    except ValidationError as error:
        raise InputError(f"site.toml: {explain(error, SiteConfig)}") from error
