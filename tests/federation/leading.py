"""A coordinator over an in-process engine whose sites go wrong as a test wants them to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.proto.node_pb2 import NodeInfo

from cape_fed.config import RunConfig
from cape_fed.coordinator.lead import lead_run
from cape_fed.federation.local_grid import LocalGrid
from cape_fed.federation.roster import RosterEntry
from cape_fed.progress import Progress
from cape_fed.rundir import RunDirectory
from cape_fed.simulation import sites_of
from cape_fed.site.app import make_client_app
from cape_fed.site.config import SiteConfig
from cape_fed.status import Status
from tests.faults import do_wrong, fault_of

Fault = Callable[[Message, Callable[[], Message]], Message]
"""What a site makes of a message, and of how it would rightly be answered."""


class FaultyGrid(LocalGrid):
    """Sites by name, of which some are away, do wrong, or answer twice."""

    def __init__(self, sites: list[SiteConfig], faults: Mapping[str, str | Fault]) -> None:
        self.sites = sites
        self.faults = dict(faults)
        self.away: set[str] = set()
        self.started: dict[str, str] = {}
        """When a site was started, where a test says so."""
        self.twice: set[str] = set()
        self.let_go = threading.Event()
        app = make_client_app(lambda context: sites[int(context.node_config["partition-id"])])
        super().__init__(_Wrapped(app, self), len(sites), len(sites), prepare=lambda: torch.set_num_threads(1))

    def name_of(self, node: int) -> str:
        return self.sites[node - 2].name

    def get_nodes(self) -> Iterable[NodeInfo]:
        for node in self.get_node_ids():
            if self.name_of(node) not in self.away:
                name = self.name_of(node)
                yield NodeInfo(node_id=node, name=name, last_activated_at=self.started.get(name, "1"))

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        replies = list(super().pull_messages(message_ids))
        again = [reply for reply in replies if self.name_of(reply.metadata.src_node_id) in self.twice]
        return [*replies, *again]

    def close(self) -> None:
        self.let_go.set()
        super().close()


class _Wrapped(ClientApp):
    def __init__(self, app: ClientApp, grid: FaultyGrid) -> None:
        super().__init__()
        self.app = app
        self.grid = grid

    def __call__(self, message: Message, context: Context) -> Message:
        fault = self.grid.faults.get(self.grid.name_of(context.node_id))
        if fault is None:
            return self.app(message, context)
        if callable(fault):
            return fault(message, lambda: self.app(message, context))
        found = fault_of(fault, message)
        if found == "hang":
            self.grid.let_go.wait(60)
        elif found:
            return do_wrong(found, lambda: self.app(message, context))
        return self.app(message, context)


def lead(
    config: RunConfig,
    faults: Mapping[str, str | Fault] | None = None,
    progress: Callable[[FaultyGrid], Progress] | None = None,
    entries: Mapping[str, Any] | None = None,
    prepare: Callable[[FaultyGrid], None] = lambda grid: None,
) -> RunDirectory:
    """Lead the run of ``config`` to its end with sites that have ``faults`` by name."""
    sites = sites_of(config)
    roster = {site.name: RosterEntry(role=site.role) for site in sites}
    run = RunDirectory(config.out)
    grid = FaultyGrid(sites, faults or {})
    prepare(grid)
    try:
        with run.open(config.saved(), resume=config.resume):
            report = progress(grid) if progress else lambda done, total, line: None
            given, status = entries if entries is not None else roster, Status(run.path)
            with status.ending():
                lead_run(grid, config.federation_plan(), run, given, status, report)
    finally:
        grid.close()
    return run
