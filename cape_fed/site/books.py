"""What a site writes down of its messages: in its audit log what left and what was refused, in ``log.txt`` both."""

from __future__ import annotations

import logging
from typing import Any

from flwr.app import Message

from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import Content, Request, inviting_federation
from cape_fed.site.audit import record
from cape_fed.site.config import SiteConfig
from cape_fed.site.egress import describe_content, summarise
from cape_fed.site.incoming import open_request

log = logging.getLogger(__name__)


def note_asked(site: SiteConfig, action: str, message: Message) -> None:
    """Say in the site's log who asked what of which run."""
    who = asked_of(action, message)
    run = f"round {who['round']} of run {who['run']}" if "run" in who else "no run"
    log.info(
        "site %s: asked to %s, %s, by federation '%s' (Flower's run %d)",
        site.name, action, run, who["federation"], message.metadata.run_id,
    )  # fmt: skip


def note_sent(site: SiteConfig, action: str, request: Request | None, content: Content, size: int) -> None:
    """Put down what is about to leave; AuditError where that fails."""
    described = describe_content(content)
    run = {} if request is None else _run(request)
    kind = "joined" if request is None else "sent"
    record(site, kind, action=action, **run, bytes=size, records=described)
    log.info("site %s: sends %d bytes: %s", site.name, size, summarise(described))


def note_refused(site: SiteConfig, action: str, message: Message, code: SiteFailure, reason: str) -> None:
    """Put down that a code is about to leave, and why; AuditError where that fails."""
    record(site, "refused", **asked_of(action, message), code=code.name, reason=reason)
    log.info("site %s: sends the code %s (%d)", site.name, code.name, code)


def asked_of(action: str, message: Message) -> dict[str, Any]:
    """What a message asks, as far as it can be read."""
    asked: dict[str, Any] = {"action": action, "federation": ""}
    try:
        if action == "join":
            return {**asked, "federation": inviting_federation(message.content)}
        return {**asked, **_run(open_request(message))}
    except Exception:  # whatever it is, what is made of it says more
        return asked


def _run(request: Request) -> dict[str, Any]:
    return {"federation": request.federation, "run": request.run, "round": request.round}
