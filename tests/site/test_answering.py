"""What a site makes of messages that are wrong: a code for the coordinator, the text in its own log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from cape_fed.coordinator.checkpoint import new_state
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import REQUEST, Request, request_content
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.site.answering import answer_as
from cape_fed.site.config import Limits, SiteConfig
from tests.conftest import TinyStore

CONFIG = PretrainConfig.model_validate({"model": "tiny", "train": {"pairs": 8}})


@pytest.fixture
def site(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> SiteConfig:
    tiny_store("a", patients=24)
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1
    return SiteConfig(
        name="a",
        role="train",
        stores=(tmp_path / "a",),
        state=tmp_path / "state",
        device="cpu",
        threads=1,
        limits=Limits(local_steps=5),
        own_process=False,
    )


def ask(site: SiteConfig, action: str = "train", change: Any = None, **fields: Any) -> Message:
    values = {"run": "0" * 12, "role": "train", "round": 0, "local_steps": 1, "total_steps": 4}
    values |= {"saved_round": 0, "seconds": 60.0}
    encoder = new_state(PretrainConfig(model="tiny")).encoder
    if change is not None:
        encoder = {name: change(value) for name, value in encoder.items()}
    content = request_content(Request.model_validate({**values, "config": CONFIG, **fields}), encoder)
    return answer(site, action, content)


def answer(site: SiteConfig, action: str, content: RecordDict) -> Message:
    message = Message(content, 2, "train")
    message.metadata.__dict__["_message_id"] = "asked"
    return answer_as(site, action, message)


def test_a_right_message_is_answered(site: SiteConfig) -> None:
    assert not ask(site).has_error()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda value: value * float("nan"), "nonfinite"),
        (lambda value: value * 1e6, "norm"),
        (lambda value: value.flatten(), "shape"),
    ],
)
def test_an_encoder_that_cannot_be_one_is_refused(
    site: SiteConfig, change: Any, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(site, change=change).error.code == SiteFailure.INCOMING
    assert word in caplog.text


@pytest.mark.parametrize(
    ("changes", "fields"),
    [({"role": "evaluate"}, {}), ({}, {"local_steps": 6}), ({"role": "evaluate"}, {"measure": True})],
)
def test_what_the_site_does_not_do_by_its_policy_is_refused(
    site: SiteConfig, changes: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert ask(site.model_copy(update=changes), **fields).error.code == SiteFailure.POLICY


def test_no_text_of_the_site_leaves_it(site: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    gone = site.model_copy(update={"stores": (Path("/secret/archive"),)})
    reply = ask(gone)
    assert reply.error.code == SiteFailure.STORES
    assert not reply.error.reason
    assert "/secret/archive" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({REQUEST: ConfigRecord({"json": "{"})}),
        RecordDict({REQUEST: ConfigRecord({"json": '{"run": "../../etc"}'})}),
    ],
)
def test_what_is_no_message_is_malformed(site: SiteConfig, content: RecordDict) -> None:
    assert answer(site, "train", content).error.code == SiteFailure.MALFORMED


def test_a_site_alone_keeps_its_log(site: SiteConfig) -> None:
    logging.getLogger("client").setLevel(logging.INFO)
    assert answer(site.model_copy(update={"own_process": True}), "evaluate", RecordDict()).has_error()
    assert "a message could not be read" in (site.state / "log.txt").read_text()
