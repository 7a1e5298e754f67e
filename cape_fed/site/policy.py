"""The one gate of a site: what it lets itself be asked, and what may leave it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.messages import Content, Records, Request, Sender, sender_record
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.site.outgoing import Sent, check_records
from cape_fed.site.rules import RULES, Asked

log = logging.getLogger(__name__)

Action = Literal["join", "train", "evaluate"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Applies what a site's own settings say; a coordinator can lift none of it."""

    site: SiteConfig
    clock: Callable[[], datetime] = datetime.now
    """The clock on the site's wall."""

    def admit(self, action: str, request: Request | None) -> None:
        """Raise PolicyError where the site does not do what a message asks; ``request`` is None where it asks to join.

        Every rule of `RULES` has to agree.
        """
        asked = Asked(action, request, self.clock())
        for code, rule in RULES:
            if reason := rule(asked, self.site):
                raise PolicyError(reason, code)

    def release(self, sent: Sent, records: Records) -> Content:
        """The content of a reply, which is the only way out of a site.

        Every record has to be on the allow-list of what the message asked for, with its fields and their bounds.
        Raises PolicyError naming the first one that is not: then nothing leaves.
        """
        check_records(sent, records, self.site)
        if sent.request is None:
            return Content(records)
        sender = Sender(site=self.site.name, run=sent.request.run, round=sent.request.round)
        return Content({**sender_record(sender), **records})

    def seconds(self, offered: float, request: Request | None) -> float:
        """How long the work on a message may take: what the coordinator offers, within the site's own limit."""
        limit = min(60 * self.site.limits.minutes, offered)
        return limit if request is None else min(limit, request.seconds)

    def evaluation(self, asked: EvaluateOptions) -> EvaluateOptions:
        """The coordinator's settings of an evaluation, with no fewer patients behind a number than the site allows."""
        return asked.model_copy(update={"min_patients": max(asked.min_patients, self.site.limits.min_patients)})


__all__ = ["Action", "Policy", "PolicyError"]
