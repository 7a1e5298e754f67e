"""The one gate of a site: what it lets itself be asked, and what may leave it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flwr.app import RecordDict

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.evaluation import has_probes
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import (
    Content,
    Records,
    Request,
    Sender,
    content_bytes,
    inviting_federation,
    sender_record,
)
from cape_fed.site.books import note_sent
from cape_fed.site.config import SiteConfig
from cape_fed.site.daily import counting
from cape_fed.site.errors import PolicyError
from cape_fed.site.outgoing import Sent, check_records
from cape_fed.site.presence import read_mark
from cape_fed.site.rules import RULES, Asked

log = logging.getLogger(__name__)

Action = Literal["join", "train", "evaluate"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Applies what a site's own settings say; a coordinator can lift none of it."""

    site: SiteConfig
    clock: Callable[[], datetime] = datetime.now
    """The clock on the site's wall."""

    def admit(self, action: str, request: Request | None, content: Content | None = None) -> None:
        """Raise PolicyError where the site does not do what a message asks; ``request`` is None where it asks to join.

        Every rule of `RULES` has to agree. A round of training that is admitted counts as one of the day.
        """
        now = self.clock()
        if action == "train" and self.site.limits.rounds_per_day is not None:
            with counting(self.site, now) as day:
                self._check(action, request, content, now, day.rounds)
                day.add()
        else:
            self._check(action, request, content, now, 0)

    def _check(
        self, action: str, request: Request | None, content: Content | None, now: datetime, rounds_today: int
    ) -> None:
        content = RecordDict() if content is None else content
        asked = Asked(
            action,
            request,
            now,
            federation=inviting_federation(content) if request is None else request.federation,
            size=content_bytes(content),
            rounds_today=rounds_today,
            mark=read_mark(self.site),
            probes=action == "evaluate" and has_probes(content),
        )
        for code, rule in RULES:
            if reason := rule(asked, self.site):
                raise PolicyError(reason, code)

    def release(self, sent: Sent, records: Records) -> Content:
        """The content of a reply, which is the only way out of a site.

        Every record has to be on the allow-list of what the message asked for, with its fields and their bounds.
        Raises PolicyError naming the first one that is not, or the limit that it breaks, and AuditError where what is
        to leave cannot be put down first: then nothing leaves.
        """
        check_records(sent, records, self.site)
        request = sent.request
        if request is not None:
            sender = Sender(site=self.site.name, run=request.run, round=request.round)
            records = {**sender_record(sender), **records}
        content = Content(records)
        size = content_bytes(content)
        if size > 1e6 * self.site.limits.message_mb:
            reason = f"a reply has {size / 1e6:.1f} MB, limits.message_mb allows {self.site.limits.message_mb:g}"
            raise PolicyError(reason, SiteFailure.LARGE_REPLY)
        if mark := read_mark(self.site):
            code = SiteFailure.LEFT if mark == "left" else SiteFailure.PAUSED
            raise PolicyError(f"the work was done when this site was {mark}, and is not sent", code)
        if self.site.own_process:  # of a simulation nothing leaves the machine
            note_sent(self.site, sent.action, request, content, size)
        return content

    def seconds(self, offered: float, request: Request | None) -> float:
        """How long the work on a message may take: what the coordinator offers, within the site's own limit."""
        limit = min(60 * self.site.limits.minutes, offered)
        return limit if request is None else min(limit, request.seconds)

    def evaluation(self, asked: EvaluateOptions) -> EvaluateOptions:
        """The coordinator's settings of an evaluation, with no fewer patients behind a number than the site allows."""
        return asked.model_copy(update={"min_patients": max(asked.min_patients, self.site.limits.min_patients)})


__all__ = ["Action", "Policy", "PolicyError"]
