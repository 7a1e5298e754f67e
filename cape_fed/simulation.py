"""A federation on this machine: its sites, its coordinator and the engine between them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import torch

from cape_fed.config import RunConfig, flat_paths
from cape_fed.coordinator.lead import lead_run
from cape_fed.errors import InputError
from cape_fed.federation.engines import keep_flower_quiet, run_flower, run_local
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.roster import RosterEntry
from cape_fed.methods.private import check_private_run
from cape_fed.methods.registry import check_batch_statistics
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.workbench import check_batches
from cape_fed.progress import Progress
from cape_fed.release.cohort_names import federated_name
from cape_fed.release.start import Start
from cape_fed.rundir import RunDirectory, split_file
from cape_fed.site.app import make_client_app
from cape_fed.site.config import SiteConfig
from cape_fed.site.simulated import simulated_sites
from cape_fed.status import Status
from cape_fed.store.composition import compose
from cape_fed.store.counts import count_store
from cape_fed.store.split import Split, check_disjoint, save_split
from cape_fed.store.store import open_store


def simulate_federation(
    config: RunConfig, progress: Progress, workers: int | None = None, splits: Mapping[str, Split] | None = None
) -> None:
    """Run the federation that ``config`` describes on this machine, into the run directory ``config.out``.

    ``workers`` sites compute at a time, by default as many as there are CPUs for. ``splits`` by cohort name take the
    place of those that the configuration would make.
    """
    keep_flower_quiet()
    choose_device(config.device)
    check_private_run(config.privacy, config.pretraining, config.federation)
    check_batch_statistics(config.norm, config.federation)
    plan = config.federation_plan()
    _check_stores(config, plan.start, splits or {})
    sites = sites_of(config)
    run = RunDirectory(config.out)
    entries = {site.name: RosterEntry(role=site.role) for site in sites}
    app = make_client_app(lambda context: sites[int(context.node_config["partition-id"])])
    threads = config.threads or 1
    workers = workers or (1 if torch.cuda.is_available() else max(1, (os.cpu_count() or 1) // threads))
    engine = {"local": run_local, "flower": run_flower}[config.engine]
    with run.open(config.saved(), resume=config.resume):
        _save_splits(sites, splits or {})
        plan = _with_composition(plan, sites)
        status = Status(run.path)
        with status.ending():
            engine(
                lambda grid: lead_run(grid, plan, run, entries, status, progress),
                app,
                len(sites),
                min(workers, len(sites)),
                threads,
            )


def sites_of(config: RunConfig) -> list[SiteConfig]:
    """The sites that a configuration describes, those that train first."""
    return simulated_sites(
        config.data.train,
        config.data.evaluate,
        RunDirectory(config.out),
        device=config.device,
        threads=config.threads,
        min_patients=config.evaluation.min_patients,
    )


def _with_composition(plan: FederationPlan, sites: list[SiteConfig]) -> FederationPlan:
    """A plan whose bundle says who was trained on, since all stores are here; not of a private run, as at its sites."""
    if plan.privacy.on:
        return plan
    stores = [(site.name, open_store(path)) for site in sites if site.role == "train" for path in site.stores]
    composition = {federated_name(name, store.cohort): compose(store) for name, store in stores}
    return replace(plan, provenance=plan.provenance.model_copy(update={"composition": composition}))


def _save_splits(sites: list[SiteConfig], splits: Mapping[str, Split]) -> None:
    """Hand every site the splits of its cohorts; one that is there already stays."""
    for site in sites:
        for store in map(open_store, site.stores):
            path = split_file(site.splits(""), store.cohort)
            if store.cohort in splits and not path.exists():
                save_split(path, store, splits[store.cohort])


def _check_stores(config: RunConfig, start: Start | None, splits: Mapping[str, Split]) -> None:
    """InputError for stores that cannot be in one federation, before anything is written."""
    train, evaluate = flat_paths(config.data.train), flat_paths(config.data.evaluate)
    stores = open_stores([*train, *evaluate])
    if not train:
        raise InputError("a federation needs at least one training site: data.train=[STORE,...]")
    check_disjoint(stores[: len(train)], stores[len(train) :])
    if start is not None:
        start.check_ood({store.cohort: count_store(store) for store in stores[len(train) :]})
        start.check_unseen({store.cohort: count_store(store) for store in stores[: len(train)] if config.privacy.on})
    opened = dict(zip(train, stores, strict=False))
    for paths in () if config.privacy.on else config.data.train:  # blocks are smaller than any roster
        check_batches([opened[path] for path in paths], config.pretraining, splits)
