"""What goes wrong before a site's work has begun: a code leaves, the site's log tells all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from cape_fed.errors import InputError
from cape_fed.federation.failures import SiteFailure
from cape_fed.site.app import make_client_app
from cape_fed.site.config import SiteConfig
from tests.site.conftest import message_of


def misread(context: Context) -> SiteConfig:
    raise InputError("site.toml: devcie: there is no such key, did you mean device?")


def not_importable(context: Context) -> SiteConfig:
    raise ImportError("no module named torch for Erika Mustermann")


def ask(find_site: Callable[[Context], SiteConfig], **node_config: str) -> Message:
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1
    context = Context(run_id=1, node_id=2, node_config={**node_config}, state=RecordDict(), run_config={})
    return make_client_app(find_site)(message_of(RecordDict()), context)


@pytest.mark.parametrize(
    ("find_site", "code", "words"),
    [(misread, SiteFailure.SITE_CONFIG, "did you mean device?"), (not_importable, SiteFailure.RAISED, "ImportError")],
)
def test_a_site_that_cannot_begin_says_why_in_its_own_log(
    find_site: Callable[[Context], SiteConfig], code: SiteFailure, words: str, tmp_path: Path
) -> None:
    reply = ask(find_site, state=str(tmp_path / "state"))
    assert (reply.error.code, reply.error.reason or "") == (code, "")
    assert words in (tmp_path / "state" / "log.txt").read_text()


def test_a_log_that_cannot_be_written_is_no_reason_for_silence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    for node_config in ({"state": str(tmp_path / "state")}, {}):
        assert ask(not_importable, **node_config).error.code == SiteFailure.RAISED
