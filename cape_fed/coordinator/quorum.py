"""Whether enough sites, with enough patients, stand behind a round."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from cape_fed.federation.config import FederationConfig


def below_quorum(
    config: FederationConfig, counted: Collection[str], sites: Collection[str], patients: Mapping[str, int]
) -> str | None:
    """What ``counted`` sites lack of the quorum of ``sites``, in words; None where it is met.

    ``patients`` are training patients by site, of the sites that have ever said; the others count as none.
    """
    needed = max(1, math.ceil(config.quorum * len(sites)))
    if len(counted) < needed:
        return f"{len(counted)} of {len(sites)} training sites, {needed} needed"
    total = sum(patients.get(site, 0) for site in sites)
    there = sum(patients.get(site, 0) for site in counted)
    if there < config.quorum_patients * total:
        return f"{there} of {total} training patients, {math.ceil(config.quorum_patients * total)} needed"
    return None
