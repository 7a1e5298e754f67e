"""From a ledger to the ε of patients: all that they were trained with composes, under every roster they were in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cape_fed.privacy.accounting import Charge, epsilon_prv, epsilon_rdp, merged
from cape_fed.privacy.config import MOST_DELTA
from cape_fed.privacy.ledger import BudgetError, Entry, Ledger, LedgerError
from cape_fed.privacy.roster import Roster

Groups = Counter[frozenset[str]]
"""How many members of a roster were in exactly these sets of patients, by fingerprint."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What members of one roster who share a past have spent."""

    patients: int
    charges: tuple[Charge, ...]
    exposed: bool
    """Whether something about them left without differential privacy."""

    def epsilon(self, delta: float) -> float:
        """Their ε by RDP, which decides."""
        return math.inf if self.exposed else epsilon_rdp(self.charges, delta)

    def reported(self, delta: float) -> float:
        """Their ε by PRV, which is closer."""
        return math.inf if self.exposed else epsilon_prv(self.charges, delta)


def current_roster(ledger: Ledger, entries: Sequence[Entry] | None = None) -> Roster | None:
    """The roster that was frozen last; None where none was. ``entries`` are the ledger's, where they are read."""
    entries = ledger.entries() if entries is None else entries
    frozen = [entry.roster for entry in entries if entry.kind == "roster"]
    return _roster(ledger, frozen[-1]) if frozen else None


def freeze(ledger: Ledger, roster: Roster) -> None:
    """Make a roster the current one."""
    ledger.append("roster", {"roster": roster.fingerprint, "slots": roster.size}, members=_kept(roster))


def expose(ledger: Ledger, patients: Roster, reason: str) -> None:
    """Note, once a reason and set of patients, that something about them leaves without differential privacy."""
    request = f"{reason}: {patients.fingerprint}"
    if any(entry.kind == "exposed" and entry.request == request for entry in ledger.entries()):
        return
    body = {"roster": patients.fingerprint, "reason": reason}
    ledger.append("exposed", body, request=request, members=_kept(patients))


def exposed_patients(ledger: Ledger) -> frozenset[str]:
    """Keys of all patients about whom something left without differential privacy."""
    found = {entry.roster for entry in ledger.entries() if entry.kind == "exposed"}
    return frozenset(key for fingerprint in found for key in _members(ledger, fingerprint))


def earlier_rosters(ledger: Ledger) -> list[Roster]:
    """All rosters that were ever in force, the first one first."""
    return [_roster(ledger, entry.roster) for entry in ledger.entries() if entry.kind == "roster"]


def spending(ledger: Ledger, roster: Roster) -> list[Spent]:
    """What the members of a roster have spent so far, by their pasts, and how many share each."""
    entries = ledger.entries()
    groups = _groups(ledger, entries, roster)
    return [_spent(entries, past, count) for past, count in groups.items()]


def worst_epsilon(spent: Iterable[Spent], delta: float) -> float:
    """The largest ε by RDP."""
    return max((group.epsilon(delta) for group in spent), default=0.0)


def site_delta(roster: Roster) -> float:
    """δ of a site's own budget."""
    return min(MOST_DELTA, 1 / (10 * max(1, roster.size)))


def reserve(
    ledger: Ledger, roster: Roster, charge: Charge, *, run: str, request: str, cap: float, planned: int | None = None
) -> list[Charge]:
    """Enter private steps before the first of them is taken; returns all of the run's so far.

    LedgerError where somebody's ε would exceed ``cap``, after these steps or after the ``planned`` ones that the run
    is to have from here on, and for a ``request`` that was entered before.
    """
    seen = ledger.entries()
    groups = _groups(ledger, seen, roster)
    ahead = charge._replace(steps=max(charge.steps, planned or 0))

    known = {roster.fingerprint, *_charged(seen)}

    def check(entries: Sequence[Entry]) -> None:
        if math.isinf(cap):
            return
        if not _charged(entries) <= known:
            raise LedgerError(f"site {ledger.site}: the ledger changed meanwhile: ask again")
        for past in groups:
            spent = _spent(entries, past, 0)
            after = Spent(0, (*spent.charges, ahead), spent.exposed).epsilon(site_delta(roster))
            if after > cap:
                now = spent.epsilon(site_delta(roster))
                raise BudgetError(
                    f"site {ledger.site}: ε would go from {now:.2f} to {after:.2f}, privacy.epsilon in site.toml "
                    f"allows {cap:g}: see 'cape-fed site budget'"
                )

    body: dict[str, Any] = {"roster": roster.fingerprint, "run": run, **charge._asdict()}
    ledger.append("reserved", body, request=request, members=_kept(roster), check=check)
    return run_charges(ledger, run)


def run_charges(ledger: Ledger, run: str, entries: Sequence[Entry] | None = None) -> list[Charge]:
    """All private steps of one run; ``entries`` as for `current_roster`."""
    entries = ledger.entries() if entries is None else entries
    return merged(_charge(entry) for entry in entries if entry.kind == "reserved" and entry.body["run"] == run)


def _groups(ledger: Ledger, entries: Sequence[Entry], roster: Roster) -> Groups:
    """Members of a roster by the sets of patients that they were in; the roster itself is one of them."""
    others = _charged(entries) - {roster.fingerprint}
    sets = {fingerprint: _members(ledger, fingerprint) for fingerprint in sorted(others)}
    return Counter(
        frozenset({roster.fingerprint, *(name for name, keys in sets.items() if key in keys)}) for key in roster.members
    )


def _charged(entries: Sequence[Entry]) -> set[str]:
    """Fingerprints of all patients with something to count."""
    return {entry.roster for entry in entries if entry.kind in ("reserved", "exposed")}


def _members(ledger: Ledger, fingerprint: str) -> frozenset[str]:
    return _roster(ledger, fingerprint).members


def _roster(ledger: Ledger, fingerprint: str) -> Roster:
    """Patients that an entry is about; LedgerError where they are not those that it was made for."""
    roster = Roster.model_validate(ledger.members(fingerprint))
    if roster.fingerprint != fingerprint:
        raise LedgerError(f"site {ledger.site}: the ledger {ledger.path} cannot be trusted: a roster was changed")
    return roster


def _kept(roster: Roster) -> tuple[str, str]:
    return roster.fingerprint, roster.model_dump_json()


def _spent(entries: Sequence[Entry], past: frozenset[str], count: int) -> Spent:
    own = [entry for entry in entries if entry.kind in ("reserved", "exposed") and entry.roster in past]
    charges = merged(_charge(entry) for entry in own if entry.kind == "reserved")
    return Spent(count, tuple(charges), any(entry.kind == "exposed" for entry in own))


def _charge(entry: Entry) -> Charge:
    return Charge(*(entry.body[name] for name in Charge._fields))
