"""How a site answers the coordinator's messages."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np
import torch
from flwr.app import Message
from torch import Tensor

from cape_fed.federation.messages import (
    METRICS,
    MONITORS,
    PATIENTS,
    CohortCounts,
    Introduction,
    Sender,
    Task,
    introduction_content,
    number_record,
    read_task,
    reply_content,
    source_hash,
)
from cape_fed.federation.tensors import CONTROL, length, to_arrays, update_records
from cape_fed.federation.validation import RefusedError, read_encoder
from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.cohorts import common_profile, count_store, open_cohorts, open_stores
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.encoder import build_encoder, encoder_config
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.monitor import Monitor
from cape_fed.pretrain.workbench import Workbench, choose_device
from cape_fed.site import evaluation, methods
from cape_fed.site.config import SiteConfig
from cape_fed.site.state import load_local_state, save_local_state

log = logging.getLogger(__name__)


MAX_LENGTH = 100.0
"""Longest encoder that a site takes, in lengths of one with new weights: no training gets there."""


class PolicyError(Exception):
    """The coordinator asked for what the site does not do."""


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
    log.info("site %s joins to %s", site.name, site.role)
    return Message(introduction_content(introduction), reply_to=message)


def train(message: Message, site: SiteConfig) -> Message:
    """Take a round's local steps from the coordinator's encoder; only encoder tensors go back.

    What is to be measured of the encoder as it comes is measured first, and travels with the same reply.
    """
    begin = perf_counter()
    task, encoder = _receive(message, site)
    if site.role != "train":
        raise PolicyError("this site is there for evaluation only")
    if task.local_steps > site.limits.local_steps:
        raise PolicyError(f"{task.local_steps} steps a round, {site.limits.local_steps} allowed")
    records = _look_at(task, _personal(task, encoder, site), site)
    resident = _resident(task.run, task.total_steps, task.config, site)
    _stand_before(task, resident, site)
    bench = resident.bench
    resident.next_round = None  # until this round is saved, what is in memory is no round's beginning
    own = methods.begin(task, encoder, resident.own, _read_control(message, task, bench.learner), bench.learner)
    start = task.round * task.local_steps
    losses = [loss for _, loss in bench.train(start, start + task.local_steps)]
    resident.own, beside = methods.end(task, own, bench.learner)
    save_local_state(site.state / task.run, bench.learner, task.round + 1, keep_from=task.saved_round, own=resident.own)
    resident.next_round = task.round + 1
    records[METRICS] = number_record(
        {
            "loss": float(torch.stack(losses).mean()),
            PATIENTS: sum(pairs.patients for pairs in bench.pairs),
            "seconds": perf_counter() - begin,
        }
    )
    records |= beside
    records |= update_records(bench.learner.encoder.state_dict(), encoder, task.transport)
    log.info("site %s: round %d trained in %.1f s", site.name, task.round, perf_counter() - begin)
    return _reply(message, task, site, records)


def evaluate(message: Message, site: SiteConfig) -> Message:
    """Measure the coordinator's encoder, and score it with the coordinator's probes where there are some."""
    task, encoder = _receive(message, site)
    encoder = _personal(task, encoder, site)
    records = _look_at(task, encoder, site)
    records |= evaluation.score_probes(message, task, encoder, site)
    return _reply(message, task, site, records)


def _receive(message: Message, site: SiteConfig) -> tuple[Task, dict[str, Tensor]]:
    """A message's task and its encoder, checked as the coordinator checks replies; RefusedError where it is not one."""
    if site.threads is not None:  # the order of sums depends on it, so it is fixed where bit equality is promised
        torch.set_num_threads(site.threads)
    task = read_task(message)
    new = build_encoder(encoder_config(task.config)).state_dict()
    arrays = read_encoder(message.content, new)
    if length(arrays) > MAX_LENGTH * length(to_arrays(new)):
        raise RefusedError("norm", f"the encoder is over {MAX_LENGTH:g} times as long as a new one")
    return task, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _look_at(task: Task, tensors: Mapping[str, Tensor], site: SiteConfig) -> dict[str, Any]:
    """What is asked about the encoder as the site uses it: monitors, and sums towards probes where the site trains."""
    records: dict[str, Any] = {}
    if task.measure:
        encoder = build_encoder(encoder_config(task.config)).to(choose_device(site.device))
        encoder.load_state_dict(dict(tensors))
        records[MONITORS] = number_record(_monitor(task, site).measure(encoder))
    if task.sums is not None and site.role == "train":
        records |= evaluation.give_sums(task, task.sums, tensors, site)
    return records


def _monitor(task: Task, site: SiteConfig) -> Monitor:
    """On validation patients where the site trains, else on any of its patients."""
    if site.role == "train":
        return _resident(task.run, task.total_steps, task.config, site).bench.monitor
    return _outside_monitor(task.config, site)


@dataclass
class _Resident:
    """A site's workbench between the messages that this process serves."""

    bench: Workbench
    own: methods.Own = field(default_factory=dict)
    """What the federated method keeps at the site."""
    next_round: int | None = 0
    """The round before which the learner in memory stands; another round's state is read from the site's files."""


@lru_cache(maxsize=16)
def _resident(run: str, total_steps: int, config: PretrainConfig, site: SiteConfig) -> _Resident:
    cohorts = open_cohorts(site.stores, config.split, site.splits(run))
    bench = Workbench(config, site.name, cohorts, total_steps, choose_device(site.device))
    for cohort, share in bench.pair_kinds().items():
        log.info("site %s, cohort %s: %.1f%% of pairs are two records of one patient", site.name, cohort, 100 * share)
    return _Resident(bench)


def _stand_before(task: Task, resident: _Resident, site: SiteConfig) -> None:
    """Bring head and optimiser to where they were before the round, or last before it; fresh ones where never."""
    if resident.next_round == task.round:
        return
    found, resident.own = load_local_state(site.state / task.run, resident.bench.learner, task.round)
    resident.next_round = task.round
    if found is None:
        resident.bench.renew_learner()
    if task.round and found != task.round:
        since = "fresh ones" if found is None else f"those of round {found}"
        log.warning("site %s took no part before round %d: head and optimiser are %s", site.name, task.round, since)


def _personal(task: Task, tensors: Mapping[str, Tensor], site: SiteConfig) -> dict[str, Tensor]:
    """The encoder as this site uses it, with what the federated method keeps here."""
    if site.role != "train" or task.method != "fedbn":
        return dict(tensors)
    resident = _resident(task.run, task.total_steps, task.config, site)
    _stand_before(task, resident, site)
    return methods.personal(task, tensors, resident.own)


def _read_control(message: Message, task: Task, learner: Learner) -> dict[str, Tensor]:
    """The coordinator's control variate, checked as its encoder is; nothing where the method has none."""
    if task.method != "scaffold":
        return {}
    arrays = read_encoder(message.content, dict(learner.encoder.named_parameters()), name=CONTROL)
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


@lru_cache(maxsize=16)
def _outside_monitor(config: PretrainConfig, site: SiteConfig) -> Monitor:
    """Monitor of a site that takes no part in training: any of its patients will do."""
    stores = open_stores(site.stores)
    rows = [np.arange(len(store)) for store in stores]
    augmentation = Augmentation(config.augment, stores[0].profile.fs)
    return Monitor(stores, rows, augmentation, config.seed, choose_device(site.device))


def _reply(message: Message, task: Task, site: SiteConfig, records: Mapping[str, Any]) -> Message:
    sender = Sender(site=site.name, run=task.run, round=task.round)
    return Message(reply_content(sender, records), reply_to=message)
