"""Names of cohorts in a federation: SITE/COHORT, so that every hospital names its own as it likes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

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
