"""Names of sites taken out of what a bundle says, except of those that agreed to be named."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cape_fed.errors import InputError
from cape_fed.release.cohort_names import SEPARATOR, federated_name
from cape_fed.release.provenance import Provenance


def withhold_names(provenance: Provenance, named: Collection[str]) -> Provenance:
    """Call every site that is not ``named`` SITE-1, SITE-2 and so on, largest first, and their cohorts likewise.

    InputError where a name is none of the sites. Counts and fingerprints stay.
    """
    sizes = _sizes(provenance)
    if strange := sorted(set(named) - sizes.keys()):
        raise InputError(
            f"{', '.join(strange)} took no part in this encoder: its sites are {', '.join(sizes) or 'none'}"
        )
    hidden = sorted(sizes.keys() - set(named), key=lambda site: (-sizes[site], site))
    return _renamed(provenance, {site: f"SITE-{number}" for number, site in enumerate(hidden, start=1)})


def _sizes(provenance: Provenance) -> dict[str, int]:
    """Patients of each site of a federation, also of one that the encoder began with."""
    sizes = _sizes(provenance.started_from) if provenance.started_from else {}
    sizes |= dict.fromkeys(provenance.participation, 0)
    for name, counts in provenance.cohorts.items():
        site, separator, _ = name.partition(SEPARATOR)
        if separator:
            sizes[site] = sizes.get(site, 0) + counts.patients
    return sizes


def _renamed(provenance: Provenance, sites: Mapping[str, str]) -> Provenance:
    cohorts = _cohort_names(provenance, sites)
    participation = {
        sites.get(site, site): part.model_copy(update={"cohorts": [_own(cohorts, site, name) for name in part.cohorts]})
        for site, part in provenance.participation.items()
    }
    privacy = provenance.privacy and provenance.privacy.model_copy(
        update={"sites": {sites.get(site, site): spent for site, spent in provenance.privacy.sites.items()}}
    )
    return provenance.model_copy(
        update={
            "cohorts": {cohorts[name]: counts for name, counts in provenance.cohorts.items()},
            "composition": {cohorts.get(name, name): who for name, who in provenance.composition.items()},
            "participation": participation,
            "privacy": privacy,
            "started_from": provenance.started_from and _renamed(provenance.started_from, sites),
        }
    )


def _cohort_names(provenance: Provenance, sites: Mapping[str, str]) -> dict[str, str]:
    """Every cohort's name from now on; that of a site that is named, and of no site, stays."""
    names = {name: name for name in provenance.cohorts}
    for site, called in sites.items():
        of_site = sorted(
            name for name in provenance.cohorts if name.partition(SEPARATOR)[0] == site and SEPARATOR in name
        )
        names |= {name: federated_name(called, f"cohort-{number}") for number, name in enumerate(of_site, start=1)}
    return names


def _own(cohorts: Mapping[str, str], site: str, name: str) -> str:
    whole = federated_name(site, name)
    return cohorts.get(whole, whole).partition(SEPARATOR)[2]
