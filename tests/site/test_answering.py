"""What a site makes of messages that are wrong: a code for the coordinator, the text in its own log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import REQUEST
from cape_fed.site.answering import answer_as
from cape_fed.site.config import SiteConfig
from tests.site.conftest import CONFIG, content_of, message_of, request


def ask(site: SiteConfig, action: str = "train", change: Any = None, **fields: Any) -> Message:
    return answer_as(site, action, message_of(content_of(request(**fields), change)))


def answer(site: SiteConfig, action: str, content: RecordDict) -> Message:
    return answer_as(site, action, message_of(content))


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
    ("fields", "word"),
    [
        ({"method": "fedsgd"}, "unknown federation.strategy"),
        ({"method": "fedprox", "options": {"proximal_mu": -1.0}}, "federation.options.proximal_mu"),
        ({"config": CONFIG.model_copy(update={"model": "huge"})}, "unknown model"),
    ],
)
def test_what_this_version_does_not_know_is_refused(
    site: SiteConfig, fields: dict[str, Any], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = content_of(request())
    text = request(**{name: value for name, value in fields.items() if name != "config"})
    if "config" in fields:
        text = text.model_copy(update=fields)
    content[REQUEST] = ConfigRecord({"json": text.model_dump_json()})
    assert answer(site, "train", content).error.code == SiteFailure.INCOMING
    assert word in caplog.text


@pytest.mark.parametrize(
    ("changes", "fields", "code"),
    [
        ({"role": "evaluate"}, {}, SiteFailure.ROLE),
        ({}, {"local_steps": 6}, SiteFailure.STEPS),
        ({"role": "evaluate"}, {"measure": True}, SiteFailure.ROLE),
    ],
)
def test_what_the_site_does_not_do_by_its_policy_is_refused_with_the_code_of_the_limit(
    site: SiteConfig, changes: dict[str, Any], fields: dict[str, Any], code: SiteFailure
) -> None:
    assert ask(site.model_copy(update=changes), **fields).error.code == code


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
    logging.getLogger("cape_fed.site").setLevel(logging.INFO)
    assert answer(site.model_copy(update={"own_process": True}), "evaluate", RecordDict()).has_error()
    assert "a message could not be read" in (site.state / "log.txt").read_text()
