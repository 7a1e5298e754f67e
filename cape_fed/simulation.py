"""A federation on this machine: its sites, its coordinator and the engine between them."""

from __future__ import annotations

import os

import torch

from cape_fed.config import RunConfig, flat_paths
from cape_fed.coordinator.lead import lead_run
from cape_fed.coordinator.rounds import Progress
from cape_fed.errors import InputError
from cape_fed.federation.config import check_batch_statistics
from cape_fed.federation.engines import keep_flower_quiet, run_flower, run_local
from cape_fed.federation.roster import RosterEntry
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.pretrain.workbench import check_batches, choose_device
from cape_fed.rundir import RunDirectory
from cape_fed.site.app import make_client_app
from cape_fed.site.config import simulated_sites
from cape_fed.status import Status
from cape_fed.store.split import check_disjoint


def simulate_federation(config: RunConfig, progress: Progress, workers: int | None = None) -> None:
    """Run the federation that ``config`` describes on this machine, into the run directory ``config.out``.

    ``workers`` sites compute at a time, by default as many as there are CPUs for.
    """
    keep_flower_quiet()
    choose_device(config.device)
    check_batch_statistics(config.norm, config.federation)
    _check_stores(config)
    sites = simulated_sites(config)
    run = RunDirectory(config.out)
    entries = {site.name: RosterEntry(role=site.role) for site in sites}
    app = make_client_app(lambda context: sites[int(context.node_config["partition-id"])])
    threads = config.threads or 1
    workers = workers or (1 if torch.cuda.is_available() else max(1, (os.cpu_count() or 1) // threads))
    engine = {"local": run_local, "flower": run_flower}[config.engine]
    with run.open(config.saved(), resume=config.resume):
        engine(
            lambda grid: lead_run(grid, config, run, entries, Status(run.path), progress),
            app,
            len(sites),
            min(workers, len(sites)),
            threads,
        )


def _check_stores(config: RunConfig) -> None:
    """InputError for stores that cannot be in one federation, before anything is written."""
    train, evaluate = flat_paths(config.data.train), flat_paths(config.data.evaluate)
    stores = open_stores([*train, *evaluate])
    if not train:
        raise InputError("a federation needs at least one training site: data.train=[STORE,...]")
    check_disjoint(stores[: len(train)], stores[len(train) :])
    opened = dict(zip(train, stores, strict=False))
    for paths in config.data.train:
        check_batches([opened[path] for path in paths], config.pretraining)
