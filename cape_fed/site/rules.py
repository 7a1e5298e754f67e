"""What a site lets itself be asked, rule by rule: a new rule is one function and its line in `RULES`."""

from __future__ import annotations

from collections.abc import Callable

from cape_fed.federation.messages import Request
from cape_fed.site.config import SiteConfig

Rule = Callable[[str, Request | None, SiteConfig], str | None]
"""From the action of a message (join, train, evaluate), its request and the site to the reason for a refusal, or None.

The reason is for the site's own log.
"""


def trains_only_where_the_role_says_so(action: str, request: Request | None, site: SiteConfig) -> str | None:
    """A site whose role is ``evaluate`` does not train."""
    return "this site is there for evaluation only" if action == "train" and site.role != "train" else None


def takes_no_more_steps_than_allowed(action: str, request: Request | None, site: SiteConfig) -> str | None:
    """``limits.local_steps`` bounds the optimiser steps of a round."""
    if action != "train" or request is None or request.local_steps <= site.limits.local_steps:
        return None
    return f"{request.local_steps} steps a round were asked for, limits.local_steps allows {site.limits.local_steps}"


RULES: list[Rule] = [trains_only_where_the_role_says_so, takes_no_more_steps_than_allowed]
"""All rules; a message is admitted where every one of them agrees."""
