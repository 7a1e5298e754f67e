"""Whether enough sites, with enough patients, stand behind a round."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cape_fed.federation.config import FederationConfig
from cape_fed.federation.shares import least_share


def below_quorum(
    config: FederationConfig, counted: Collection[str], sites: Collection[str], patients: Mapping[str, int]
) -> str | None:
    """What ``counted`` sites lack of the quorum of ``sites``, in words; None where it is met.

    ``patients`` are training patients by site, of the sites that have ever said; the others count as none.
    """
    needed = max(1, least_share(config.quorum, len(sites)))
    if len(counted) < needed:
        return f"{len(counted)} of {len(sites)} training sites, {needed} needed"
    total = sum(patients.get(site, 0) for site in sites)
    there = sum(patients.get(site, 0) for site in counted)
    patients_needed = least_share(config.quorum_patients, total)
    if there < patients_needed:
        return f"{there} of {total} training patients, {patients_needed} needed"
    return None
