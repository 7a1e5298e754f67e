"""What a site lets itself be asked, rule by rule: a new rule is one function and its line in `RULES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import Request
from cape_fed.site.config import SiteConfig


@dataclass(frozen=True, slots=True)
class Asked:
    """A message as far as it decides whether the site does what it asks."""

    action: str
    """join, train or evaluate."""
    request: Request | None
    """None where a site is asked to join."""
    now: datetime
    """When it is asked, by the clock on the site's wall."""


Rule = Callable[[Asked, SiteConfig], str | None]
"""From what is asked of a site to the reason for a refusal, or None. The reason is for the site's own log."""


def trains_only_where_the_role_says_so(asked: Asked, site: SiteConfig) -> str | None:
    """A site whose role is ``evaluate`` does not train."""
    return "this site is there for evaluation only" if asked.action == "train" and site.role != "train" else None


def takes_no_more_steps_than_allowed(asked: Asked, site: SiteConfig) -> str | None:
    """``limits.local_steps`` bounds the optimiser steps of a round."""
    request, most = asked.request, site.limits.local_steps
    if asked.action != "train" or request is None or request.local_steps <= most:
        return None
    return f"{request.local_steps} steps a round were asked for, limits.local_steps allows {most}"


RULES: list[tuple[SiteFailure, Rule]] = [
    (SiteFailure.ROLE, trains_only_where_the_role_says_so),
    (SiteFailure.STEPS, takes_no_more_steps_than_allowed),
]
"""All rules, each with the code by which the coordinator learns of a refusal; every one of them has to agree."""
