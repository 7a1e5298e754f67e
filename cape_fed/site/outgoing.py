"""The allow-list of a reply: records by name, each with its fields and their bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flwr.app import MetricRecord, RecordDict
from torch import Tensor

from cape_fed.evaluate.federated.dimensions import most_of_products, most_of_totals
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.targets.support import Support
from cape_fed.federation.evaluation import CELLS, SUMS, SUMS_INDEX, read_cells, read_sums
from cape_fed.federation.messages import (
    METRICS,
    MONITORS,
    SITE,
    Records,
    Request,
    parse_introduction,
)
from cape_fed.federation.plausibility import Size
from cape_fed.federation.tensors import ENCODER, LAYOUT, WIRE_TYPES, layout_of
from cape_fed.federation.validation import RefusedError, read_tensors
from cape_fed.methods.registry import method_class
from cape_fed.pretrain.monitor import MONITORED
from cape_fed.pretrain.norm import is_statistic
from cape_fed.privacy.accounting import epsilon_rdp
from cape_fed.privacy.budget import current_roster, run_charges
from cape_fed.privacy.numbers import PATIENTS, PRIVATE_NUMBERS, TRAINING_NUMBERS
from cape_fed.privacy.rounding import is_rough
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.site.labels import check_labels
from cape_fed.site.ledger import ledger_of


@dataclass(frozen=True, slots=True)
class Sent:
    """The message that a reply answers, as far as it decides what the reply may hold."""

    action: str
    request: Request | None = None
    encoder: Mapping[str, Tensor] = field(default_factory=dict)
    """Encoder that came with the message: an outgoing one has its names and shapes."""
    cohorts: Mapping[str, Size] = field(default_factory=dict)
    """How much the site has, by cohort: no count in a reply is larger."""
    probes: bool = False
    """Whether there are probes to be scored."""
    private: bool = False
    """Whether a site that says who it is has to round its numbers."""

    @property
    def size(self) -> Size:
        """How much the site has in all."""
        return Size(
            sum(size.records for size in self.cohorts.values()), sum(size.patients for size in self.cohorts.values())
        )


Check = Callable[[RecordDict, Sent, SiteConfig], None]
"""Raises PolicyError, RefusedError or ValueError where a record holds anything that it should not."""


def check_records(sent: Sent, records: Records, site: SiteConfig) -> None:
    """Raise PolicyError unless every record is allowed in a reply to ``sent`` and holds what it may hold."""
    allowed = _allowed(sent, site)
    content = RecordDict(records)
    for name in records:
        if name not in allowed:
            raise PolicyError(f"a reply to '{sent.action}' may not hold a record '{name}'")
        try:
            allowed[name](content, sent, site)
            check_labels(name, content, site)
        except (RefusedError, ValueError, KeyError, TypeError) as error:
            raise PolicyError(f"the record '{name}' may not leave the site as it is: {error}") from error


def _allowed(sent: Sent, site: SiteConfig) -> dict[str, Check]:
    """The records that a reply may hold."""
    if sent.action == "join":
        return {SITE: _check_introduction}
    request = sent.request
    if request is None:
        return {}
    if request.privacy.on and site.role == "train":
        private: dict[str, Check] = {METRICS: _check_private, ENCODER: _check_encoder, LAYOUT: _check_encoder}
        return private if sent.action == "train" else {}
    allowed: dict[str, Check] = {}
    if request.measure:
        allowed[MONITORS] = _numbers_check(MONITORS, MONITORED)
    if request.sums is not None and site.role == "train":
        allowed |= {SUMS: _check_sums, SUMS_INDEX: _check_sums}
    if sent.action == "evaluate" and sent.probes:
        allowed[CELLS] = _check_cells
    if sent.action == "train" and site.role == "train":
        allowed |= {METRICS: _numbers_check(METRICS, TRAINING_NUMBERS), ENCODER: _check_encoder, LAYOUT: _check_encoder}
        allowed |= dict.fromkeys(method_class(request.method).sends, _check_method)
    return allowed


def _check_introduction(content: RecordDict, sent: Sent, site: SiteConfig) -> None:
    introduction = parse_introduction(content)
    if introduction.site != site.name or introduction.role != site.role:
        raise PolicyError("the introduction is not this site's")
    if sent.private and not all(is_rough(counts) for counts in introduction.cohorts.values()):
        raise PolicyError("a private run learns rounded counts only, and no fingerprint")


def _check_private(content: RecordDict, sent: Sent, site: SiteConfig) -> None:
    """Of private training a site tells what is public: rounded patients, σ, q, steps and ε, all as entered."""
    _numbers_check(METRICS, PRIVATE_NUMBERS)(content, sent, site)
    request, numbers = sent.request, dict(content.metric_records[METRICS])
    assert request is not None
    if numbers.keys() != PRIVATE_NUMBERS:
        raise PolicyError("numbers of a private run are missing")
    patients = numbers[PATIENTS]
    if not isinstance(patients, int) or patients <= 0:
        raise PolicyError("the weight is not a number of slots")
    ledger = ledger_of(site)
    entries = ledger.entries()  # each time they are read, all of their hashes are computed
    entered = [entry for entry in entries if entry.request == request.id]
    slots = current_roster(ledger, entries)
    if not entered or slots is None or entered[-1].roster != slots.fingerprint:
        raise PolicyError("the steps are not in the ledger")
    if patients != slots.size or numbers["sample_rate"] != request.privacy.sample_rate:
        raise PolicyError("the numbers are not those of the ledger")
    if numbers["noise_multiplier"] != entered[-1].body["noise_multiplier"]:
        raise PolicyError("the noise is not that of the ledger")
    spent = run_charges(ledger, request.run, entries)
    epsilon = epsilon_rdp(spent, request.privacy.delta_for(slots.size))
    if (numbers["steps"], numbers["epsilon"]) != (sum(charge.steps for charge in spent), epsilon):
        raise PolicyError("steps or ε are not those of the ledger")


def _check_encoder(content: RecordDict, sent: Sent, site: SiteConfig) -> None:
    assert sent.request is not None
    read_tensors(content, ENCODER, sent.encoder, WIRE_TYPES[sent.request.transport])


def _check_method(content: RecordDict, sent: Sent, site: SiteConfig) -> None:
    """Records of a method are tensors in the shapes of the encoder's parameters."""
    assert sent.request is not None
    parameters = {name: value for name, value in sent.encoder.items() if not is_statistic(name)}
    for name in method_class(sent.request.method).sends:
        if name in content.array_records:
            read_tensors(content, name, parameters)
        elif not any(name == layout_of(other) for other in content.array_records):
            raise PolicyError(f"'{name}' is neither tensors nor their layout")


def _check_sums(content: RecordDict, sent: Sent, site: SiteConfig) -> None:
    """Sums are over enough patients for themselves and their dimensions, train and validation alike.

    Which records may be summed up, and that differences of sums keep to the same rule, is decided where the records
    are.
    """
    assert sent.request is not None
    assert sent.request.sums is not None
    most = sent.request.sums.dimensions or 0
    for task, material in read_sums(content, most, sent.size).items():
        _check_side(task, material.train, material.support, site)
        if material.valid.n:
            _check_side(task, material.valid, material.valid_support, site)


def _check_side(task: str, sums: Moments, support: Support, site: SiteConfig) -> None:
    if not support.enough(task, site.limits.min_patients):
        raise PolicyError(f"sums of task {task} are over fewer than {site.limits.min_patients} patients")
    each = site.limits.patients_per_dimension
    most = min(most_of_products(support.patients, each), most_of_totals(support.strength(task), each))
    if sums.width > most:
        raise PolicyError(f"sums of task {task} are over {sums.width} dimensions; its patients allow {most}")


def _check_cells(content: RecordDict, sent: Sent, site: SiteConfig) -> None:
    for tables in read_cells(content, sent.cohorts.keys(), sent.size).values():
        for tasks in tables.values():
            for task, cell in tasks.items():
                if cell.patients is not None and cell.patients < site.limits.min_patients:
                    raise PolicyError(f"a cell of task {task} is of fewer than {site.limits.min_patients} patients")


def _numbers_check(name: str, fields: frozenset[str]) -> Check:
    """A check for a record of finite numbers under known names."""

    def check(content: RecordDict, sent: Sent, site: SiteConfig) -> None:
        record: Any = content.metric_records.get(name)
        if not isinstance(record, MetricRecord):
            raise PolicyError("it is not a record of numbers")
        for key, value in record.items():
            if key not in fields:
                raise PolicyError(f"the number '{key}' is not on the list")
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise PolicyError(f"the number '{key}' is a list or not finite")

    return check
