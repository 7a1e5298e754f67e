"""How a site answers the coordinator's messages."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter

import numpy as np
import torch
from flwr.app import Message

from cape_fed.federation.messages import (
    PATIENTS,
    CohortCounts,
    Introduction,
    Sender,
    Task,
    introduction_content,
    read_task,
    reply_content,
    source_hash,
)
from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.cohorts import common_profile, count_store, open_cohorts, open_stores
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.encoder import SIZES, Encoder
from cape_fed.pretrain.monitor import Monitor
from cape_fed.pretrain.workbench import Workbench, choose_device
from client.site import SiteConfig
from client.state import load_local_state, save_local_state

log = logging.getLogger(__name__)


def join(message: Message, site: SiteConfig) -> Message:
    """Say who this site is, what it lets itself be asked for, with which code and which cohorts."""
    stores = open_stores(site.stores)
    introduction = Introduction(
        site=site.name,
        role=site.role,
        source=source_hash(),
        profile=common_profile(stores),
        cohorts={store.cohort: CohortCounts(**count_store(store)) for store in stores},
    )
    return Message(introduction_content(introduction), reply_to=message)


def train(message: Message, site: SiteConfig) -> Message:
    """Take a round's local steps from the coordinator's encoder; only encoder tensors go back."""
    if site.role != "train":
        raise PermissionError("this site is there for evaluation only")
    begin = perf_counter()
    task, encoder = read_task(message)
    _use_threads(site)
    resident = _resident(task.run, task.total_steps, task.config, site)
    _stand_before(task, resident, site)
    bench = resident.bench
    resident.next_round = None  # until this round is saved, what is in memory is no round's beginning
    bench.learner.encoder.load_state_dict(encoder)
    start = task.round * task.local_steps
    losses = [loss for _, loss in bench.train(start, start + task.local_steps)]
    save_local_state(site.state / task.run, bench.learner, task.round + 1, keep_from=task.saved_round)
    resident.next_round = task.round + 1
    metrics = {
        "loss": float(torch.stack(losses).mean()),
        PATIENTS: sum(pairs.patients for pairs in bench.pairs),
        "seconds": perf_counter() - begin,
    }
    return Message(reply_content(_sender(task, site), metrics, bench.learner.encoder.state_dict()), reply_to=message)


def evaluate(message: Message, site: SiteConfig) -> Message:
    """Measure the coordinator's encoder: on validation patients where the site trains, else on any of its patients."""
    task, tensors = read_task(message)
    _use_threads(site)
    encoder = Encoder(SIZES[task.config.model]).to(choose_device(site.device))
    encoder.load_state_dict(tensors)
    if site.role == "train":
        monitor = _resident(task.run, task.total_steps, task.config, site).bench.monitor
    else:
        monitor = _outside_monitor(task.config, site)
    return Message(reply_content(_sender(task, site), monitor.measure(encoder)), reply_to=message)


@dataclass
class _Resident:
    """A site's workbench between the messages that this process serves."""

    bench: Workbench
    next_round: int | None = 0
    """The round before which the learner in memory stands; another round's state is read from the site's files."""


@lru_cache(maxsize=16)
def _resident(run: str, total_steps: int, config: PretrainConfig, site: SiteConfig) -> _Resident:
    cohorts = open_cohorts(site.stores, config.split, site.state / "splits")
    bench = Workbench(config, site.name, cohorts, total_steps, choose_device(site.device))
    for cohort, share in bench.pair_kinds().items():
        log.info("site %s, cohort %s: %.1f%% of pairs are two records of one patient", site.name, cohort, 100 * share)
    return _Resident(bench)


def _stand_before(task: Task, resident: _Resident, site: SiteConfig) -> None:
    """Bring head and optimiser to where they were before the round; fresh ones where the site has no state of it."""
    if resident.next_round == task.round:
        return
    if not load_local_state(site.state / task.run, resident.bench.learner, task.round):
        resident.bench.renew_learner()
        if task.round:
            log.warning("site %s has no state of round %d: fresh head and optimiser", site.name, task.round)


@lru_cache(maxsize=16)
def _outside_monitor(config: PretrainConfig, site: SiteConfig) -> Monitor:
    """Monitor of a site that takes no part in training: any of its patients will do."""
    stores = open_stores(site.stores)
    rows = [np.arange(len(store)) for store in stores]
    augmentation = Augmentation(config.augment, stores[0].profile.fs)
    return Monitor(stores, rows, augmentation, config.seed, choose_device(site.device))


def _sender(task: Task, site: SiteConfig) -> Sender:
    return Sender(site=site.name, run=task.run, round=task.round)


def _use_threads(site: SiteConfig) -> None:
    """Summation order depends on the number of threads, so it is fixed where bit equality is promised."""
    if site.threads is not None:
        torch.set_num_threads(site.threads)
