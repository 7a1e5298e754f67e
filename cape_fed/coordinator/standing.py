"""How sites have behaved so far: who was refused or failed how often in a row, and who is quarantined for it."""

from __future__ import annotations

import logging

from pydantic import BaseModel

log = logging.getLogger(__name__)


class Standing(BaseModel):
    """Refusals and failures by site; part of the coordinator's checkpoint."""

    strikes: dict[str, int] = {}
    """Replies refused in a row."""
    refused_in: dict[str, int] = {}
    """Round of the last refusal."""
    failures: dict[str, int] = {}
    """Rounds in a row in which the site said that it failed."""
    failed_in: dict[str, int] = {}
    """Round of the last failure."""
    quarantined: dict[str, str] = {}
    """Sites that are not asked any more, with the code of their last refusal."""
    failing: dict[str, str] = {}
    """Sites that are not asked until they are started anew, with their last failure in words."""

    @property
    def barred(self) -> dict[str, str]:
        """All sites that are not asked now, with the reason."""
        return {**self.failing, **self.quarantined}

    def accept(self, site: str, round_number: int) -> None:
        """A reply counted: refusals of earlier rounds and all failures are forgotten."""
        if self.refused_in.get(site) != round_number:
            self.strikes.pop(site, None)
        self.failures.pop(site, None)

    def refuse(self, site: str, round_number: int, code: str, limit: int) -> None:
        """A reply was refused; ``limit`` of them in a row quarantine the site."""
        self.refused_in[site] = round_number
        self.strikes[site] = self.strikes.get(site, 0) + 1
        if self.strikes[site] >= limit:
            self.quarantined[site] = code
            log.warning("site %s is quarantined after %d refused replies in a row (%s)", site, limit, code)

    def fail(self, site: str, round_number: int, words: str, limit: int) -> None:
        """A site said that it failed; ``limit`` rounds of it in a row bar the site until it is started anew."""
        if site in self.failures and self.failed_in.get(site) == round_number:
            return
        self.failed_in[site] = round_number
        self.failures[site] = self.failures.get(site, 0) + 1
        if self.failures[site] >= limit:
            self.failing[site] = words
            log.warning(
                "site %s is quarantined until it is started anew: in %d rounds in a row it %s", site, limit, words
            )

    def renew(self, site: str) -> None:
        """A site was started anew: what it failed at may be mended."""
        self.failures.pop(site, None)
        if self.failing.pop(site, None):
            log.info("site %s was started anew and is asked again", site)
