"""How sites have behaved so far: who was refused how often in a row, and who is quarantined for it."""

from __future__ import annotations

import logging

from pydantic import BaseModel

log = logging.getLogger(__name__)


class Standing(BaseModel):
    """Refusals by site; part of the coordinator's checkpoint."""

    strikes: dict[str, int] = {}
    """Replies refused in a row."""
    refused_in: dict[str, int] = {}
    """Round of the last refusal."""
    quarantined: dict[str, str] = {}
    """Sites that are not asked any more, with the code of their last refusal."""

    def accept(self, site: str, round_number: int) -> None:
        """A reply counted: refusals of earlier rounds are forgotten."""
        if self.refused_in.get(site) != round_number:
            self.strikes.pop(site, None)

    def refuse(self, site: str, round_number: int, code: str, limit: int) -> None:
        """A reply was refused; ``limit`` of them in a row quarantine the site."""
        self.refused_in[site] = round_number
        self.strikes[site] = self.strikes.get(site, 0) + 1
        if self.strikes[site] >= limit:
            self.quarantined[site] = code
            log.warning("site %s is quarantined after %d refused replies in a row (%s)", site, limit, code)
