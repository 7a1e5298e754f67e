"""A federation of a site with itself: two halves of its own patients, in a directory that does not outlive it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cape_fed.compose import validate_config
from cape_fed.config import RunConfig
from cape_fed.coordinator.evaluation import EVALUATIONS_FILE
from cape_fed.coordinator.lead import lead_run
from cape_fed.errors import InputError
from cape_fed.federation.engines import keep_flower_quiet, run_local
from cape_fed.federation.roster import Role, RosterEntry
from cape_fed.lock import locked
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.workbench import check_batches
from cape_fed.progress import Progress, no_progress
from cape_fed.rundir import RunDirectory
from cape_fed.seeds import derive_seed
from cape_fed.site.app import make_client_app
from cape_fed.site.config import SiteConfig
from cape_fed.status import Status
from cape_fed.store.store import Store
from cape_fed.store.subset import write_subset

ROUNDS, LOCAL_STEPS = 2, 2
SPARE = 1.3
"""Patients of a half for each that is needed: the split of a half is drawn."""
PREFIX = "rehearsal-"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What happened in a rehearsal."""

    patients: tuple[int, int]
    """Patients of the two halves."""
    rounds: list[dict[str, Any]] = field(default_factory=list)
    """Lines of ``metrics.jsonl`` that are about rounds."""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """The last line of ``evaluations.jsonl``."""
    warnings: list[str] = field(default_factory=list)
    """What coordinator and site warned of."""


def rehearse(site: SiteConfig, config: RunConfig, progress: Progress = no_progress) -> Rehearsed:
    """Lead a federation of two, each with half of the site's patients and all of its limits, and delete its files.

    The first trains, the second has the site's role. The whole takes `ROUNDS` rounds of `LOCAL_STEPS` steps with
    batches of the planned size. InputError or RunError where a run would end with it.
    """
    keep_flower_quiet()
    device = choose_device(site.device)
    with _scratch(site.state) as folder:
        halves = [_half(site, config, folder, number) for number in (0, 1)]
        sizes = [sum(store.meta.patients for store in stores) for stores in halves]
        roles: tuple[Role, Role] = ("train", site.role)
        for stores, role in zip(halves, roles, strict=True):
            if role == "train":
                check_batches(stores, config.pretraining)
        sites = [
            site.model_copy(
                update={
                    "name": f"{site.name}-{number + 1}",
                    "role": role,
                    "stores": tuple(store.path for store in stores),
                    "state": folder / f"state-{number + 1}",
                    "superlink": None,
                    "audit_head": None,
                    "privacy": site.privacy.model_copy(update={"ledger_head": None}),  # the site's own is not touched
                    "own_process": False,
                    "limits": site.limits.model_copy(update={"hours": None}),  # a rehearsal may be held at any time
                }
            )
            for number, (role, stores) in enumerate(zip(roles, halves, strict=True))
        ]
        run = RunDirectory(folder / "run")
        _lead(sites, _shortened(config, run.path), run, progress, workers=1 if device.type == "cuda" else 2)
        return Rehearsed((sizes[0], sizes[1]), *_outcome(run))


def _lead(sites: list[SiteConfig], config: RunConfig, run: RunDirectory, progress: Progress, workers: int) -> None:
    app = make_client_app(lambda context: sites[int(context.node_config["partition-id"])])
    entries = {site.name: RosterEntry(role=site.role) for site in sites}
    threads = sites[0].threads or max(1, (os.cpu_count() or 1) // workers)
    before = torch.get_num_threads()
    with run.open(config.saved(), resume=False):
        try:
            run_local(
                lambda grid: lead_run(grid, config.federation_plan(), run, entries, Status(run.path), progress),
                app,
                len(sites),
                workers,
                threads,
            )
        finally:
            torch.set_num_threads(before)


def _shortened(config: RunConfig, out: Path) -> RunConfig:
    """The planned run with few rounds and steps."""
    plain = config.saved()
    plain["federation"] |= {
        "rounds": ROUNDS,
        "local_steps": min(LOCAL_STEPS, config.federation.local_steps),
        "measure_every": 1,
        "evaluate_every": 0,
        "quorum": 1.0,
        "quorum_patients": 1.0,
        "tries": 1,
        "join_deadline": 60.0,
    }
    return validate_config({**plain, "out": str(out), "roster": None})


def _half(site: SiteConfig, config: RunConfig, folder: Path, number: int) -> list[Store]:
    """Stores with one half of the patients of each of the site's, as many as a batch and an evaluation need."""
    train, _, test = config.split.fractions
    needed = config.train.pairs / train
    if test:
        needed = max(needed, site.limits.min_patients / test)
    written = []
    for store in open_stores(site.stores):
        rows = half_of_patients(
            store, ceil(SPARE * needed), derive_seed(config.seed, "rehearsal", site.name, store.cohort), number
        )
        cohort = f"{store.cohort}-{number + 1}"
        written.append(write_subset(store, rows, folder / "stores" / cohort, cohort))
    return written


def half_of_patients(store: Store, most: int, seed: int, number: int) -> NDArray[np.int64]:
    """Rows of one of two halves (``number`` 0 or 1) of a store's patients, of at most ``most`` of them."""
    order = np.random.default_rng(seed).permutation(store.meta.patients)
    half = order[number::2][:most]
    if not len(half):
        raise InputError(f"{store.cohort} has one patient: a rehearsal needs two")
    return np.flatnonzero(np.isin(store.patients, half))


def _outcome(run: RunDirectory) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    evaluations = run.path / EVALUATIONS_FILE
    last = evaluations.read_text().splitlines()[-1:] if evaluations.exists() else []
    warnings = [line.partition(" WARNING ")[2].partition(" ")[2] for line in run.log.read_text().splitlines()]
    return (
        [line for line in lines if "bytes_up" in line],
        json.loads(last[0]) if last else {},
        [words for words in warnings if words],
    )


@contextmanager
def _scratch(state: Path) -> Iterator[Path]:
    """A directory among the site's own files, for patients' data; those that earlier ones left behind go as well."""
    state.mkdir(parents=True, exist_ok=True)
    with locked(state / ".rehearsal.lock"):
        for left in state.glob(f"{PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=state) as folder:
            yield Path(folder)
