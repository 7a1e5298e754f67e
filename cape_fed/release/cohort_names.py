"""Names of cohorts in a federation, SITE/COHORT, so that every hospital names its own, and which are of one cohort."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from cape_fed.store.counts import CohortCounts

_PSEUDONYM = re.compile(r"SITE-\d+/")
"""Begins the name of a cohort whose site did not agree to be named."""
SEPARATOR = "/"
"""Neither sites nor cohorts of a federation have it in their names."""


def federated_name(site: str, cohort: str) -> str:
    """What a site's cohort is called in a federation."""
    return f"{site}{SEPARATOR}{cohort}"


def own_name(name: str) -> str:
    """What the site itself calls a cohort; a name without a site is one already."""
    return name.partition(SEPARATOR)[2] or name


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """What each cohort is called in a report: its own name where no other cohort has it, else SITE/COHORT."""
    listed = list(names)
    times = Counter(own_name(name) for name in listed)
    return {name: own_name(name) if times[own_name(name)] == 1 else name for name in listed}


def same_name(one: str, other: str) -> bool:
    """Whether two names may be of one cohort: of one that does not say its site, its own name decides."""
    both = SEPARATOR in one and SEPARATOR in other
    return one == other if both else own_name(one) == own_name(other)


def may_overlap(one: Mapping[str, CohortCounts], other: Mapping[str, CohortCounts]) -> bool:
    """Whether somebody may be in cohorts of both, where what is said of them errs on the side of yes.

    Names and fingerprints may be withheld, and sites be put together otherwise: then what the site itself calls a
    cohort decides.
    """
    if any(same_cohort(name, counts, other) for name, counts in one.items()):
        return True
    vague, others = ([name for name, counts in group.items() if not counts.has_fingerprint] for group in (one, other))
    if any(_PSEUDONYM.match(name) for name in (*vague, *others)):
        return True
    return not {own_name(name) for name in vague}.isdisjoint(own_name(name) for name in others)


def same_cohort(name: str, counts: CohortCounts, seen: Mapping[str, CohortCounts]) -> bool:
    """Whether a cohort is among ``seen`` ones, by name, which may be SITE/COHORT, or by what is in it."""
    known = {other.fingerprint for other in seen.values() if other.has_fingerprint}
    return any(same_name(name, other) for other in seen) or counts.fingerprint in known
