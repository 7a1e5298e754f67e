"""What coordinator and site say to each other, as Flower records: arrays, numbers and short strings, no pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.config import Transport
from cape_fed.federation.roster import PARTS, Part, Role
from cape_fed.federation.tensors import encoder_records
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.signal.profile import Profile
from cape_fed.store.counts import CohortCounts

REQUEST, SENDER, SITE, METRICS, MONITORS = "request", "sender", "site", "metrics", "monitors"
INVITATION = "invitation"
Content = RecordDict
"""What a message carries: records by name."""
Records = dict[str, ArrayRecord | ConfigRecord | MetricRecord]
"""Records by name, to be put into the content of a message."""
PRIVACY = "privacy"
LONGEST_INTRODUCTION = 1 << 16
"""Characters."""


class Request(BaseModel):
    """What the coordinator asks of a site in one message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(pattern=r"^[0-9a-f]{12}$")
    """Name of the run: site-side state is kept under it."""
    federation: str = Field(default="", max_length=100)
    """What the federation calls itself: a site may serve some only."""
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
    method: str = "fedavg"
    """Name of the federated method, see `cape_fed.methods`."""
    options: dict[str, float] = {}
    """Settings of the method."""
    transport: Transport = "float32"
    measure: bool = False
    """Whether to measure the encoder by label-free monitors before anything else."""
    sums: EvaluateOptions | None = None
    """Settings of an evaluation, with its dimensions, that a training site is to give sums towards; None for none."""
    privacy: PrivacyConfig = PrivacyConfig()
    """What protects the patients who are trained on."""
    seen: dict[str, CohortCounts] = {}
    """Cohorts that the encoder had seen without differential privacy before a private run began."""
    id: str = Field(default="", pattern=r"^([0-9a-f]{32})?$")
    """What a site's privacy ledger knows this message by, which it takes once; empty in runs without.

    Its form keeps it apart from the names that a site gives to what it enters by itself.
    """


class Sender(BaseModel):
    """Who answers, to which round of which run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    run: str
    round: int


class Introduction(BaseModel):
    """What a site says when it joins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    role: Role
    """What the site lets itself be asked for."""
    source: str
    """The code that computes at the site, see `computing_code`."""
    profile: Profile
    cohorts: dict[str, CohortCounts] = Field(min_length=1)
    parts: tuple[Part, ...] = PARTS
    """What the site does at all by its own limits: nothing else is asked of it."""
    audit: str | None = Field(default=None, max_length=100)
    """Where the site's audit log ends, as NUMBER:HASH: written down here, it cannot be put back unseen there."""


def request_content(
    request: Request, encoder: Mapping[str, Tensor], extra: Mapping[str, Any] | None = None
) -> RecordDict:
    """Content of a message to a site; ``extra`` records, such as probes, go with it."""
    own = {**encoder_records(encoder), REQUEST: ConfigRecord({"json": request.model_dump_json()})}
    return RecordDict({**own, **(extra or {})})


def read_request(message: Message) -> Request:
    """The request in a message; ValueError or KeyError where there is none that can be read."""
    return Request.model_validate_json(str(message.content.config_records[REQUEST]["json"]))


def invitation_content(federation: str, *, private: bool = False) -> RecordDict:
    """Content of a message that asks a site who it is, on behalf of a federation by its name.

    For a ``private`` run the site is to round what it says of its training patients.
    """
    rounding = {PRIVACY: ConfigRecord({"mode": "patient"})} if private else {}
    return RecordDict({INVITATION: ConfigRecord({"federation": federation}), **rounding})


def inviting_federation(content: Content) -> str:
    """What the federation that asks a site to join calls itself."""
    record = content.config_records.get(INVITATION)
    return "" if record is None else str(record.get("federation", ""))[:100]


def sender_record(sender: Sender) -> Records:
    """Who answers, as a record of a reply."""
    return {SENDER: ConfigRecord({"json": sender.model_dump_json()})}


def number_record(numbers: Mapping[str, float | int]) -> MetricRecord:
    """Numbers as a record."""
    return MetricRecord(dict(numbers))


def asks_for_rounding(content: RecordDict) -> bool:
    """Whether a site that is asked who it is should round its numbers."""
    record = content.config_records.get(PRIVACY)
    return record is not None and record.get("mode") == "patient"


def introduction_records(introduction: Introduction) -> Records:
    """What a site says when it joins, as records of a reply."""
    return {SITE: ConfigRecord({"json": introduction.model_dump_json()})}


def parse_introduction(content: Content) -> Introduction:
    """What a joining site said; ValueError or KeyError where it is something else, or not fit to be shown."""
    text = str(content.config_records[SITE]["json"])
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
    """Bytes of the arrays, texts and lists in a message's content: what its size rests on."""
    arrays = sum(len(array.data) for record in content.array_records.values() for array in record.values())
    texts = (value for record in content.config_records.values() for value in record.values())
    numbers = (value for record in content.metric_records.values() for value in record.values())
    return arrays + sum(map(_value_bytes, texts)) + sum(map(_value_bytes, numbers))


def _value_bytes(value: Any) -> int:
    """Bytes of a text, of bytes or of a list, whose numbers have eight each; a number by itself counts for nothing."""
    if isinstance(value, list | tuple):
        return sum(_value_bytes(inner) if isinstance(inner, str | bytes) else 8 for inner in value)
    return len(value) if isinstance(value, str | bytes) else 0


COMPUTING = ("signal", "store", "pretrain", "privacy", "release", "evaluate", "federation", "methods", "site")
"""Packages that decide what a site computes."""


@cache
def source_hash() -> str:
    """Hash of the code that decides what a site computes, so that two sites can be told apart by it.

    How reports are worded has no part in it.
    """
    root = Path(__file__).resolve().parents[1]
    files = (file for package in COMPUTING for file in (root / package).rglob("*.py"))
    digest = hashlib.sha256()
    for path in sorted(file for file in files if "report" not in file.relative_to(root).parts):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def computing_code() -> str:
    """The code that a result bit for bit rests on: this project's (`source_hash`) and PyTorch's, whatever its build."""
    return f"{source_hash()} on PyTorch {torch.__version__.partition('+')[0]}"
