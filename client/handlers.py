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
from cape_fed.pretrain.cohorts import common_profile, open_cohorts, open_stores
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.encoder import SIZES, Encoder
from cape_fed.pretrain.monitor import Monitor
from cape_fed.pretrain.workbench import Workbench, choose_device
from client.site import SiteConfig
from client.state import load_local_state, save_local_state

log = logging.getLogger(__name__)


def join(message: Message, site: SiteConfig) -> Message:
    """Say who this site is, with which code and which cohorts."""
    stores = open_stores(site.stores)
    introduction = Introduction(
        site=site.name,
        source=source_hash(),
        profile=common_profile(stores),
        cohorts={store.cohort: CohortCounts(records=len(store), patients=store.meta.patients) for store in stores},
    )
    return Message(introduction_content(introduction), reply_to=message)


def train(message: Message, site: SiteConfig) -> Message:
    """Take a round's local steps from the coordinator's encoder; only encoder tensors go back."""
    begin = perf_counter()
    task, encoder = read_task(message)
    _use_threads(site)
    resident = _resident(task.run, task.total_steps, task.config, site)
    bench = resident.bench
    start = task.round * task.local_steps
    if resident.next_round != task.round:
        load_local_state(site.state / task.run, bench.learner, task.round)
    resident.next_round = -1  # until this round is saved, what is in memory is no round's beginning
    bench.learner.encoder.load_state_dict(encoder)
    metrics: dict[str, float | int] = dict(bench.measure()) if task.measure else {}
    losses = [loss for _, loss in bench.train(start, start + task.local_steps)]
    metrics["loss"] = float(torch.stack(losses).mean())
    metrics[PATIENTS] = sum(pairs.patients for pairs in bench.pairs)
    save_local_state(site.state / task.run, bench.learner, task.round + 1)
    resident.next_round = task.round + 1
    metrics["seconds"] = perf_counter() - begin
    content = reply_content(_sender(task, site), metrics, bench.learner.encoder.state_dict())
    return Message(content, reply_to=message)


def evaluate(message: Message, site: SiteConfig) -> Message:
    """Measure the coordinator's encoder on all patients of a site that took no part in training."""
    task, tensors = read_task(message)
    _use_threads(site)
    stores = open_stores(site.stores)
    device = choose_device(site.device)
    encoder = Encoder(SIZES[task.config.model]).to(device)
    encoder.load_state_dict(tensors)
    rows = [np.arange(len(store)) for store in stores]
    augmentation = Augmentation(task.config.augment, stores[0].profile.fs)
    monitor = Monitor(stores, rows, augmentation, task.config.seed, device)
    return Message(reply_content(_sender(task, site), monitor.measure(encoder)), reply_to=message)


@dataclass
class _Resident:
    """A site's workbench between the messages that this process serves."""

    bench: Workbench
    next_round: int = -1
    """The round before which the learner in memory stands; another round's state is read from the site's files."""


@lru_cache(maxsize=16)
def _resident(run: str, total_steps: int, config: PretrainConfig, site: SiteConfig) -> _Resident:
    cohorts = open_cohorts(site.stores, config.split, site.state / "splits")
    return _Resident(Workbench(config, site.name, cohorts, total_steps, choose_device(site.device)))


def _sender(task: Task, site: SiteConfig) -> Sender:
    return Sender(site=site.name, run=task.run, round=task.round)


def _use_threads(site: SiteConfig) -> None:
    """Summation order depends on the number of threads, so it is fixed where bit equality is promised."""
    if site.threads is not None:
        torch.set_num_threads(site.threads)
