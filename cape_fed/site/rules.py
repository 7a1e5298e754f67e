"""What a site lets itself be asked, rule by rule: a new rule is one function and its line in `RULES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import Request
from cape_fed.federation.roster import Part
from cape_fed.methods.private import method_objections, training_objections
from cape_fed.methods.registry import METHODS
from cape_fed.site.config import SiteConfig
from cape_fed.site.presence import Mark


@dataclass(frozen=True, slots=True)
class Asked:
    """A message as far as it decides whether the site does what it asks."""

    action: str
    """join, train or evaluate."""
    request: Request | None
    """None where a site is asked to join."""
    now: datetime
    """When it is asked, by the clock on the site's wall."""
    federation: str = ""
    """What the federation that asks calls itself."""
    size: int = 0
    """Bytes of the message."""
    rounds_today: int = 0
    """Rounds of training that were begun today."""
    mark: Mark | None = None
    """Whether the site's admin has paused it or had it leave."""
    probes: bool = False
    """Whether there are probes to be scored."""

    @property
    def parts(self) -> list[Part]:
        """All that is asked in one."""
        request = self.request
        if request is None:
            return []
        wanted: dict[Part, bool] = {
            "train": self.action == "train",
            "measure": request.measure,
            "sums": request.sums is not None,
            "score": self.probes,
        }
        return [part for part, asked in wanted.items() if asked]


Rule = Callable[[Asked, SiteConfig], str | None]
"""From what is asked of a site to the reason for a refusal, or None. The reason is for the site's own log."""


def has_not_left(asked: Asked, site: SiteConfig) -> str | None:
    """After ``cape-fed site leave`` nothing is answered."""
    return "this site has left: 'cape-fed site resume' takes part again" if asked.mark == "left" else None


def is_not_paused(asked: Asked, site: SiteConfig) -> str | None:
    """Between ``cape-fed site pause`` and ``resume`` nothing is answered."""
    return "this site is paused: 'cape-fed site resume' takes part again" if asked.mark == "paused" else None


def serves_its_federations_only(asked: Asked, site: SiteConfig) -> str | None:
    """``limits.federations`` lists who may ask."""
    allowed = site.limits.federations
    if allowed is None or asked.federation in allowed:
        return None
    return f"the federation '{asked.federation}' is not among limits.federations"


def takes_no_message_larger_than_allowed(asked: Asked, site: SiteConfig) -> str | None:
    """``limits.message_mb`` bounds what comes in."""
    size = asked.size / 1e6
    if size <= site.limits.message_mb:
        return None
    return f"a message has {size:.1f} MB, limits.message_mb allows {site.limits.message_mb:g}"


def begins_work_at_its_hours_only(asked: Asked, site: SiteConfig) -> str | None:
    """``limits.hours`` says when work is begun; joining is no work."""
    if asked.action == "join" or site.limits.at_this_hour(asked.now):
        return None
    return f"it is {asked.now:%H:%M}, limits.hours allows work to be begun at {site.limits.hours}"


def does_allowed_actions_only(asked: Asked, site: SiteConfig) -> str | None:
    """``limits.actions`` lists what is done at all."""
    refused = [part for part in asked.parts if part not in site.limits.actions]
    return f"{', '.join(refused)}: asked for and not among limits.actions" if refused else None


def trains_only_where_the_role_says_so(asked: Asked, site: SiteConfig) -> str | None:
    """A site whose role is ``evaluate`` does not train."""
    return "this site is there for evaluation only" if asked.action == "train" and site.role != "train" else None


def takes_no_more_steps_than_allowed(asked: Asked, site: SiteConfig) -> str | None:
    """``limits.local_steps`` bounds the optimiser steps of a round."""
    request, most = asked.request, site.limits.local_steps
    if asked.action != "train" or request is None or request.local_steps <= most:
        return None
    return f"{request.local_steps} steps a round were asked for, limits.local_steps allows {most}"


def begins_no_more_rounds_a_day_than_allowed(asked: Asked, site: SiteConfig) -> str | None:
    """``limits.rounds_per_day`` bounds the rounds of training in a day; one that is tried again counts again."""
    most = site.limits.rounds_per_day
    if asked.action != "train" or most is None or asked.rounds_today < most:
        return None
    return f"{asked.rounds_today} rounds were begun today, limits.rounds_per_day allows {most}"


def sums_over_named_dimensions_only(asked: Asked, site: SiteConfig) -> str | None:
    """Who asks for sums says over how many dimensions, which an embedding has."""
    request = asked.request
    if request is None or request.sums is None:
        return None
    width, named = request.config.encoder_config.dim, request.sums.dimensions
    if named is not None and named <= width:
        return None
    return f"sums were asked for over {named or 'all'} dimensions of an embedding of {width}: name 1 to {width}"


def trains_privately_where_it_has_to(asked: Asked, site: SiteConfig) -> str | None:
    """``privacy.required`` lets nothing be computed from training patients without differential privacy."""
    request = asked.request
    if not site.privacy.required or site.role != "train" or request is None or request.privacy.on:
        return None
    return "a run without differential privacy was asked for, privacy.required is set"


def keeps_a_private_run_private(asked: Asked, site: SiteConfig) -> str | None:
    """In a private run a training site trains, and says nothing else of its patients."""
    request = asked.request
    if request is None or not request.privacy.on or site.role != "train":
        return None
    if asked.action != "train" or request.measure or request.sums is not None:
        return "sums, monitors and evaluations are computed from patients without noise: not in a private run"
    if not request.id:
        return "a private run's message has to have an id, by which the ledger takes it once"
    reasons = [*training_objections(request.config)]
    if request.method in METHODS:
        reasons += method_objections(request.method)
    return reasons[0] if reasons else None


RULES: list[tuple[SiteFailure, Rule]] = [
    (SiteFailure.LEFT, has_not_left),
    (SiteFailure.PAUSED, is_not_paused),
    (SiteFailure.FEDERATION, serves_its_federations_only),
    (SiteFailure.LARGE_MESSAGE, takes_no_message_larger_than_allowed),
    (SiteFailure.ROLE, trains_only_where_the_role_says_so),
    (SiteFailure.ACTION, does_allowed_actions_only),
    (SiteFailure.SUMS, sums_over_named_dimensions_only),
    (SiteFailure.STEPS, takes_no_more_steps_than_allowed),
    (SiteFailure.HOURS, begins_work_at_its_hours_only),
    (SiteFailure.ROUNDS, begins_no_more_rounds_a_day_than_allowed),
    (SiteFailure.PRIVACY, trains_privately_where_it_has_to),
    (SiteFailure.PRIVACY, keeps_a_private_run_private),
]
"""All rules, each with the code by which the coordinator learns of a refusal; every one of them has to agree."""
