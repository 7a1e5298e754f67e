"""What coordinator and site say to each other, as Flower records: arrays, numbers and short strings, no pickle."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from cape_fed.federation.roster import Role
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.signal.profile import Profile

ENCODER, TASK, SENDER, SITE, METRICS = "encoder", "task", "sender", "site", "metrics"
PATIENTS = "patients"
"""Key of the weight in a reply's metrics: training patients of the site."""


class Task(BaseModel):
    """What the coordinator asks of a site in one message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    """Name of the run: site-side state is kept under it."""
    round: int
    local_steps: int
    total_steps: int
    saved_round: int
    """The round that the coordinator would begin with if it had to resume: the site keeps its state from there on."""
    config: PretrainConfig


class Sender(BaseModel):
    """Who answers, to which round of which run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    run: str
    round: int


class CohortCounts(BaseModel):
    """Size of one of a site's cohorts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: int
    patients: int
    fingerprint: str
    """Hash of the store, to tell whether it is still the one that was trained on."""


class Introduction(BaseModel):
    """What a site says when it joins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    role: Role
    """What the site lets itself be asked for."""
    source: str
    """Hash of the site's code."""
    profile: Profile
    cohorts: dict[str, CohortCounts]


def task_content(task: Task, encoder: Mapping[str, Tensor]) -> RecordDict:
    """Content of a message to a site."""
    return RecordDict({ENCODER: encoder_record(encoder), TASK: ConfigRecord({"json": task.model_dump_json()})})


def read_task(message: Message) -> tuple[Task, OrderedDict[str, Tensor]]:
    """Task and encoder tensors of a message at the site; ValueError or KeyError where it is not one."""
    task = Task.model_validate_json(str(message.content.config_records[TASK]["json"]))
    return task, message.content.array_records[ENCODER].to_torch_state_dict()


def reply_content(
    sender: Sender, metrics: Mapping[str, float | int], encoder: Mapping[str, Tensor] | None = None
) -> RecordDict:
    """Content of a site's reply; without an encoder where nothing was trained."""
    content = RecordDict(
        {SENDER: ConfigRecord({"json": sender.model_dump_json()}), METRICS: MetricRecord(dict(metrics))}
    )
    if encoder is not None:
        content[ENCODER] = encoder_record(encoder)
    return content


def introduction_content(introduction: Introduction) -> RecordDict:
    """Content of a site's reply when it joins."""
    return RecordDict({SITE: ConfigRecord({"json": introduction.model_dump_json()})})


def read_introduction(message: Message) -> Introduction:
    """What a joining site said; ValueError or KeyError where it is something else."""
    return Introduction.model_validate_json(str(message.content.config_records[SITE]["json"]))


def read_sender(message: Message) -> Sender:
    """Who sent a reply; ValueError or KeyError where it does not say."""
    return Sender.model_validate_json(str(message.content.config_records[SENDER]["json"]))


def read_metrics(message: Message) -> dict[str, Any]:
    """The numbers of a reply."""
    return dict(message.content.metric_records[METRICS])


def encoder_record(encoder: Mapping[str, Tensor]) -> ArrayRecord:
    """Encoder tensors as Flower arrays, in a fixed order."""
    return ArrayRecord(OrderedDict((name, encoder[name].detach().cpu()) for name in sorted(encoder)))


def encoder_tensors(record: ArrayRecord) -> dict[str, Tensor]:
    """Flower arrays as tensors."""
    return {name: torch.from_numpy(array.numpy().copy()) for name, array in record.items()}


@cache
def source_hash() -> str:
    """Hash of the code that decides what a site computes, so that two sites can be told apart by it."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(file for package in ("cape_fed", "client") for file in (root / package).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
