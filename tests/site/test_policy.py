"""The one gate: nothing reaches a reply past it, and it lets nothing through that is not on its list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.evaluation import probes_records
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import METRICS, MONITORS, Records
from cape_fed.federation.tensors import array_records, encoder_records
from cape_fed.methods.registry import METHODS
from cape_fed.site import handlers
from cape_fed.site.answering import answer_as
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.site.outgoing import Sent
from cape_fed.site.policy import Policy
from tests.site.conftest import OPTIONS, content_of, message_of, request

DIM = 160
MESSAGES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "join": ("join", {}, False),
    "train": ("train", {}, False),
    "train and measure": ("train", {"measure": True}, False),
    "train and sums": ("train", {"sums": OPTIONS, "measure": True}, False),
    "train in fewer bits": ("train", {"transport": "bfloat16"}, False),
    "evaluate": ("evaluate", {"measure": True}, False),
    "sums without training": ("evaluate", {"sums": OPTIONS}, False),
    "probes": ("evaluate", {}, True),
    **{f"train by {name}": ("train", {"method": name}, False) for name in METHODS},
}
"""Every kind of message: action, fields of its request, and whether probes come with it."""


def ask(site: SiteConfig, action: str, fields: dict[str, Any], probes: bool) -> Message:
    extra = probes_records({}, DIM, OPTIONS) if probes else {}
    content = RecordDict() if action == "join" else content_of(request(**fields), extra=extra)
    return answer_as(site, action, message_of(content))


@pytest.mark.parametrize("kind", MESSAGES)
def test_nothing_reaches_a_reply_past_the_gate(site: SiteConfig, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[RecordDict] = []
    release = Policy.release

    def watched(policy: Policy, sent: Sent, records: Records) -> RecordDict:
        released.append(release(policy, sent, records))
        return released[-1]

    monkeypatch.setattr(Policy, "release", watched)
    reply = ask(site, *MESSAGES[kind])
    assert not reply.has_error(), reply.error
    assert len(released) == 1
    assert reply.content is released[0]
    assert len(reply.content) > 0


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_a_gate_holds_back_does_not_leave(site: SiteConfig, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def shut(policy: Policy, sent: Sent, records: Records) -> RecordDict:
        raise PolicyError("the gate is shut")

    monkeypatch.setattr(Policy, "release", shut)
    reply = ask(site, *MESSAGES[kind])
    assert reply.error.code == SiteFailure.POLICY
    assert not reply.error.reason


def test_replies_are_made_in_two_files_only() -> None:
    """A Message that answers is built where the gate is passed, and where a site cannot even be read."""
    made = {
        path.name for path in sorted(Path(handlers.__file__).parent.glob("*.py")) if "reply_to" in set(_names(path))
    }
    assert made == {"answering.py", "app.py"}


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg


@pytest.mark.parametrize(
    "planted",
    [
        {"patients": ConfigRecord({"names": "Jane Roe"})},
        {"head": ArrayRecord({"values": Array(np.zeros(3))})},
        {"embedded": ArrayRecord({"values": Array(np.zeros(3))})},
        {"metrics-2": MetricRecord({"loss": 1.0})},
    ],
)
def test_a_record_that_a_handler_slips_in_stays(
    site: SiteConfig, planted: Records, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train = handlers.train
    monkeypatch.setattr(handlers, "train", lambda *arguments: {**train(*arguments), **planted})
    assert ask(site, "train", {}, False).error.code == SiteFailure.POLICY
    assert f"may not hold a record '{next(iter(planted))}'" in caplog.text


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (
            {METRICS: MetricRecord({"loss": 1.0, "patients": 9, "age": 71.0})},
            "'age' is not on the list",
        ),
        ({METRICS: MetricRecord({"loss": [1.0, 2.0]})}, "'loss' is a list"),
        ({METRICS: MetricRecord({"loss": float("nan")})}, "'loss' is a list or not finite"),
        ({METRICS: ConfigRecord({"loss": "1.0"})}, "not a record of numbers"),
        (encoder_records({"head.weight": torch.zeros(3)}), "its tensors are not the encoder's"),
        (encoder_records({"stem.weight": torch.zeros(3)}), "its tensors are not the encoder's"),
    ],
)
def test_a_field_that_is_not_on_the_list_stays(
    site: SiteConfig, spoilt: Records, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train = handlers.train
    monkeypatch.setattr(handlers, "train", lambda *arguments: {**train(*arguments), **spoilt})
    assert ask(site, "train", {}, False).error.code == SiteFailure.POLICY
    assert words in caplog.text


def test_a_training_record_does_not_leave_with_an_evaluation(site: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = handlers.evaluate
    loss: Records = {METRICS: MetricRecord({"loss": 1.0})}
    monkeypatch.setattr(handlers, "evaluate", lambda *arguments: {**evaluate(*arguments), **loss})
    assert ask(site, "evaluate", {}, False).error.code == SiteFailure.POLICY


def test_monitors_leave_only_where_they_were_asked_for(site: SiteConfig) -> None:
    policy, records = Policy(site), {MONITORS: MetricRecord({"rankme": 3.0})}
    assert MONITORS in policy.release(Sent("evaluate", request(measure=True)), dict(records))
    with pytest.raises(PolicyError, match="may not hold a record 'monitors'"):
        policy.release(Sent("evaluate", request()), dict(records))


def test_a_methods_records_leave_only_under_that_method(site: SiteConfig) -> None:
    policy = Policy(site)
    tensors = {"stem.weight": torch.zeros(2, 3)}
    records = array_records("control", tensors)
    assert "control" in policy.release(Sent("train", request(method="scaffold"), tensors), dict(records))
    with pytest.raises(PolicyError, match="may not hold a record 'control'"):
        policy.release(Sent("train", request(), tensors), dict(records))
    other = array_records("control", {"stem.weight": torch.zeros(2, 4)})
    with pytest.raises(PolicyError, match="may not leave the site as it is"):
        policy.release(Sent("train", request(method="scaffold"), tensors), dict(other))


def test_the_site_and_the_run_stand_on_every_reply(site: SiteConfig) -> None:
    content = Policy(site).release(Sent("evaluate", request(round=3)), {})
    assert '"site":"a"' in str(content.config_records["sender"]["json"])
    assert '"round":3' in str(content.config_records["sender"]["json"])


def test_an_evaluation_cannot_go_below_the_sites_minimum(site: SiteConfig) -> None:
    policy = Policy(site.model_copy(update={"limits": site.limits.model_copy(update={"min_patients": 20})}))
    assert policy.evaluation(EvaluateOptions(min_patients=1)).min_patients == 20
    assert policy.evaluation(EvaluateOptions(min_patients=50)).min_patients == 50


def test_the_site_sets_the_longest_time(site: SiteConfig) -> None:
    policy = Policy(site.model_copy(update={"limits": site.limits.model_copy(update={"minutes": 2.0})}))
    assert policy.seconds(1000.0, None) == 120.0
    assert policy.seconds(100.0, None) == 100.0
    assert policy.seconds(1000.0, request(seconds=60.0)) == 60.0
