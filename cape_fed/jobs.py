"""Whole jobs on stores and run directories: what a command does once its configuration is read."""

from __future__ import annotations

import torch

from cape_fed.config import RunConfig
from cape_fed.pretrain.central import Progress, pretrain
from cape_fed.pretrain.cohorts import Cohort, open_cohorts, open_stores
from cape_fed.pretrain.distributed import join_processes, leave_processes
from cape_fed.pretrain.workbench import choose_device
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import describe_run
from cape_fed.rundir import RunDirectory


def pretrain_centrally(config: RunConfig, progress: Progress) -> None:
    """Central pretraining into the run directory ``config.out``, alone or as one process of a torchrun group."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    paths = [path for site in config.data.train for path in site]
    open_stores(paths)
    device = choose_device(config.device)
    processes = join_processes(device)
    run = RunDirectory(config.out)
    try:
        if processes.is_first:
            run.open(config.model_dump(mode="json"), resume=config.resume)
            open_cohorts(paths, config.split, run.splits)
        processes.wait()
        cohorts = open_cohorts(paths, config.split, run.splits)
        bench = pretrain(
            config.pretraining, cohorts, run, device, processes, resume=config.resume, progress=progress
        )  # fmt: skip
        if processes.is_first:
            provenance = describe_run(config, f"central {config.batching}", count_cohorts(cohorts))
            write_bundle(run.bundle, bench.learner.encoder, cohorts[0].store.profile, provenance)
    finally:
        leave_processes()


def count_cohorts(cohorts: list[Cohort]) -> dict[str, dict[str, int]]:
    """Records and patients of each cohort."""
    return {
        cohort.name: {"records": len(cohort.store), "patients": cohort.store.meta.patients} for cohort in cohorts
    }  # fmt: skip
