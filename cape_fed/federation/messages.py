"""What coordinator and site say to each other, as Flower records: arrays, numbers and short strings, no pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.config import LocalMethod, Transport
from cape_fed.federation.roster import Role
from cape_fed.federation.tensors import encoder_records
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.signal.profile import Profile

TASK, SENDER, SITE, METRICS, MONITORS = "task", "sender", "site", "metrics", "monitors"
PATIENTS = "patients"
"""Key of the weight in a reply's metrics: training patients of the site."""
LONGEST_INTRODUCTION = 1 << 16
"""Characters."""


class Task(BaseModel):
    """What the coordinator asks of a site in one message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(pattern=r"^[0-9a-f]{12}$")
    """Name of the run: site-side state is kept under it."""
    role: Role
    """What the site is on the coordinator's roster."""
    round: int = Field(ge=0)
    local_steps: int = Field(gt=0)
    total_steps: int = Field(gt=0)
    saved_round: int = Field(ge=0)
    """The round that the coordinator would begin with if it had to resume: the site keeps its state from there on."""
    seconds: float = Field(gt=0)
    """How long the site may take."""
    config: PretrainConfig
    proximal_mu: float = Field(default=0.0, ge=0)
    method: LocalMethod = "plain"
    """What the site keeps of its own between rounds, see ``client.methods``."""
    ema_tau: float = Field(default=0.7, gt=0, le=1)
    transport: Transport = "float32"
    measure: bool = False
    """Whether to measure the encoder by label-free monitors before anything else."""
    sums: EvaluateOptions | None = None
    """Settings of an evaluation that a training site is to give sums towards; None for none."""


class Sender(BaseModel):
    """Who answers, to which round of which run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    run: str
    round: int


class CohortCounts(BaseModel):
    """Size of one of a site's cohorts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    records: int = Field(gt=0, le=10**9)
    patients: int = Field(gt=0, le=10**9)
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
    cohorts: dict[str, CohortCounts] = Field(min_length=1)


def task_content(task: Task, encoder: Mapping[str, Tensor], extra: Mapping[str, Any] | None = None) -> RecordDict:
    """Content of a message to a site; ``extra`` records, such as probes, go with it."""
    own = {**encoder_records(encoder), TASK: ConfigRecord({"json": task.model_dump_json()})}
    return RecordDict({**own, **(extra or {})})


def read_task(message: Message) -> Task:
    """The task of a message at the site; ValueError or KeyError where it is not one."""
    return Task.model_validate_json(str(message.content.config_records[TASK]["json"]))


def reply_content(sender: Sender, records: Mapping[str, Any]) -> RecordDict:
    """Content of a site's reply: who answers, and records by name."""
    return RecordDict({SENDER: ConfigRecord({"json": sender.model_dump_json()}), **records})


def number_record(numbers: Mapping[str, float | int]) -> MetricRecord:
    """Numbers as a record."""
    return MetricRecord(dict(numbers))


def introduction_content(introduction: Introduction) -> RecordDict:
    """Content of a site's reply when it joins."""
    return RecordDict({SITE: ConfigRecord({"json": introduction.model_dump_json()})})


def read_introduction(message: Message) -> Introduction:
    """What a joining site said; ValueError or KeyError where it is something else, or not fit to be shown."""
    text = str(message.content.config_records[SITE]["json"])
    if len(text) > LONGEST_INTRODUCTION:
        raise ValueError("an introduction is too long")
    introduction = Introduction.model_validate_json(text)
    if not all(0 < len(word) <= 200 and word.isprintable() for word in _words(introduction.model_dump(mode="json"))):
        raise ValueError("an introduction has a word that is empty, long or not printable")
    return introduction


def _words(value: Any) -> Iterator[str]:
    """All strings in nested dicts and lists, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _words(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _words(inner)


def read_sender(message: Message) -> Sender:
    """Who sent a reply; ValueError or KeyError where it does not say."""
    return Sender.model_validate_json(str(message.content.config_records[SENDER]["json"]))


def read_numbers(message: Message, record: str = METRICS) -> dict[str, Any]:
    """The numbers of a reply; none where it has no such record."""
    return dict(message.content.metric_records.get(record, {}))


def content_bytes(content: RecordDict) -> int:
    """Bytes of the arrays and strings in a message's content: what its size rests on."""
    arrays = sum(len(array.data) for record in content.array_records.values() for array in record.values())
    strings = sum(
        len(value) for record in content.config_records.values() for value in record.values() if isinstance(value, str)
    )
    return arrays + strings


@cache
def source_hash() -> str:
    """Hash of the code that decides what a site computes, so that two sites can be told apart by it."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(file for package in ("cape_fed", "client") for file in (root / package).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
