"""Federations on this machine: in this process, or through Flower's own engine on Ray."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from flwr.app import Context
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from cape_fed.config import RunConfig, flat_paths
from cape_fed.errors import InputError
from cape_fed.federation.local_grid import LocalGrid
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.pretrain.workbench import check_batches
from cape_fed.rundir import RunDirectory
from cape_fed.store.split import check_disjoint
from client.app import make_client_app
from client.site import SiteConfig, simulated_sites
from server.lead import lead_run
from server.rounds import Progress

Lead = Callable[[Grid], None]
"""What the coordinator does with a Grid, from joining to the bundle."""


def simulate_federation(config: RunConfig, progress: Progress) -> None:
    """Run the federation that ``config`` describes on this machine, into the run directory ``config.out``."""
    _keep_flower_quiet()
    _check_stores(config)
    sites = simulated_sites(config)
    run = RunDirectory(config.out)
    run.open(config.saved(), resume=config.resume)
    roles = {site.name: site.role for site in sites}
    workers = 1 if torch.cuda.is_available() else max(1, (os.cpu_count() or 1) // (config.threads or 1))
    engine = {"local": run_local, "flower": run_flower}[config.engine]
    engine(lambda grid: lead_run(grid, config, run, roles, progress), sites, min(workers, len(sites)))


def _check_stores(config: RunConfig) -> None:
    """InputError for stores that cannot be in one federation, before anything is written."""
    train, evaluate = flat_paths(config.data.train), flat_paths(config.data.evaluate)
    open_stores([*train, *evaluate])
    if not train:
        raise InputError("a federation needs at least one training site: data.train=[STORE,...]")
    check_disjoint(open_stores(train), open_stores(evaluate) if evaluate else [])
    for paths in config.data.train:
        check_batches(open_stores(paths), config.pretraining)


def run_local(lead: Lead, sites: Sequence[SiteConfig], workers: int) -> None:
    """Lead the sites in this process, ``workers`` at a time."""
    threads = sites[0].threads or 1
    grid = LocalGrid(_client_app(sites), len(sites), workers, prepare=lambda: torch.set_num_threads(threads))
    try:
        lead(grid)
    finally:
        grid.close()


def run_flower(lead: Lead, sites: Sequence[SiteConfig], workers: int) -> None:
    """Lead the sites through Flower's simulation engine, ``workers`` Ray actors at a time."""
    from flwr.simulation import run_simulation  # imports Ray

    failures: list[BaseException] = []
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        try:
            lead(grid)
        except BaseException as error:
            failures.append(error)

    cpus = max(1, (os.cpu_count() or 1) // workers)
    gpus = 1 / workers if torch.cuda.is_available() else 0
    run_simulation(
        server,
        _client_app(sites),
        len(sites),
        backend_config={"client_resources": {"num_cpus": cpus, "num_gpus": gpus}},
    )
    if failures:
        raise failures[0]


def _client_app(sites: Sequence[SiteConfig]) -> ClientApp:
    return make_client_app(lambda context: sites[int(context.node_config["partition-id"])])


def _keep_flower_quiet() -> None:
    """No telemetry, no look-ups of newer versions, no log lines of Flower's own on the terminal; workers find us."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    root = str(Path(__file__).resolve().parents[2])
    os.environ |= {
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
    }
