"""What a site's patients have spent, for those who answer for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cape_fed.pretrain.cohorts import open_stores
from cape_fed.privacy.budget import current_roster, exposed_patients, site_delta, spending
from cape_fed.privacy.ledger import Ledger
from cape_fed.privacy.roster import Roster, find_slots
from cape_fed.site.config import SiteConfig
from cape_fed.site.ledger import ledger_of

INFINITE = "what left is not differentially private, which nothing takes back"


def site_budget(site: SiteConfig) -> dict[str, Any]:
    """The cap, the roster in force with ε by groups of patients who share a past, and who has no privacy left.

    ε of ∞ is null. LedgerError where the ledger cannot be trusted.
    """
    ledger = ledger_of(site)
    roster = current_roster(ledger)
    return {
        "site": site.name,
        "required": site.privacy.required,
        "cap": _finite(site.privacy.epsilon),
        "exposed": len(exposed_patients(ledger)),
        "roster": None if roster is None else _roster(ledger, roster, site),
    }


def _roster(ledger: Ledger, roster: Roster, site: SiteConfig) -> dict[str, Any]:
    delta = site_delta(roster)
    stores = [store for store in open_stores(site.stores) if store.cohort in roster.cohorts]
    groups = sorted(spending(ledger, roster), key=lambda group: (group.exposed, group.charges))
    return {
        "fingerprint": roster.fingerprint,
        "patients": roster.size,
        "gone": sum(find_slots(roster, store).empty for store in stores),
        "delta": delta,
        "groups": [
            {
                "patients": group.patients,
                "steps": sum(charge.steps for charge in group.charges),
                "epsilon": _finite(group.epsilon(delta)),
                "epsilon_prv": _finite(group.reported(delta)),
            }
            for group in groups
        ],
    }


def budget_lines(budget: dict[str, Any]) -> Iterator[str]:
    """The same in words."""
    cap, roster = budget["cap"], budget["roster"]
    bound = "no bound on ε (privacy.epsilon)" if cap is None else f"at most ε = {cap:g} a patient (privacy.epsilon)"
    yield f"{budget['site']}: {bound}; {policy_words(required=budget['required'])}"
    if budget["exposed"]:
        yield f"ε = ∞ for {budget['exposed']} patients: {INFINITE}"
    if roster is None:
        yield "no roster yet: the first private run freezes one"
        return
    yield f"roster {roster['fingerprint'][:12]}: {roster['patients']} patients; ε at δ = {roster['delta']:.1e}"
    for group in roster["groups"]:
        if group["epsilon"] is None:
            yield f"  {group['patients']} patients: ε = ∞"
        else:
            yield (
                f"  {group['patients']} patients: ε = {group['epsilon']:.2f} (PRV {group['epsilon_prv']:.2f}) "
                f"after {group['steps']} private steps"
            )
    if gone := roster["gone"]:
        yield f"  {gone} of them are gone, each voids the blocks they are drawn into: 'cape-fed site roster --renew'"


def policy_words(*, required: bool) -> str:
    """What a site asks of runs, in a clause."""
    if required:
        return "trains under differential privacy only"
    return "privacy=none unless a run asks for more: ε = ∞ for whoever is trained or evaluated on then"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
