"""Which sites take part: every node says who it is once, before the first round or when it comes later."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic, sleep

from flwr.app import MessageType
from flwr.serverapp import Grid

from cape_fed.coordinator.exchange import Exchange, Question, Wait
from cape_fed.errors import InputError
from cape_fed.federation.messages import Introduction, computing_code, invitation_content, parse_introduction
from cape_fed.federation.plausibility import Size
from cape_fed.federation.roster import Member, Role, RosterEntry
from cape_fed.release.cohort_names import SEPARATOR, federated_name
from cape_fed.signal.profile import Profile
from cape_fed.store.counts import CohortCounts

log = logging.getLogger(__name__)

INTRODUCTION_SECONDS = 90.0
"""How long a node has to say who it is in a run under way: its first message includes the import of PyTorch."""
PAUSE = 120.0
"""Seconds until a node that did not say so is asked again in a run under way: all sites wait while it is asked."""
SHORT_PAUSE = 10.0
"""The same before the first round."""


@dataclass
class Membership:
    """The sites of a run, found on their nodes; all that come, in their own roles, where ``entries`` is None."""

    grid: Grid
    exchange: Exchange
    entries: Mapping[str, RosterEntry] | None
    federation: str = ""
    """What this federation calls itself."""
    profile: Profile | None = None
    """Of the first training site unless the run has one already."""
    expected: set[str] = field(default_factory=set)
    """Training sites that a resumed run had: without a roster these are waited for."""
    private: bool = False
    """Whether training sites are to round what they say of their size."""
    members: dict[str, Member] = field(default_factory=dict)
    """Sites that have joined, by name; some may be away."""
    cohorts: dict[str, CohortCounts] = field(default_factory=dict)
    """Cohorts of the training sites that have joined, as SITE/COHORT."""
    audits: dict[str, str] = field(default_factory=dict)
    """Where the audit log of each site ended when it joined last: a log that is put back there shows here."""
    admitted: list[str] = field(default_factory=list)
    """Sites that joined, or joined anew, since somebody took their names from here."""
    _heard: dict[int, str] = field(default_factory=dict)
    """Nodes that have introduced themselves, or were refused, and have been there since, with when that began."""
    _refused: dict[str, str] = field(default_factory=dict)
    _unheard: dict[str, str] = field(default_factory=dict)
    """Why the last question to a site was not answered, by the name that its key is registered with."""
    _not_before: dict[tuple[int, str], float] = field(default_factory=dict)
    """When a node that did not introduce itself is asked again, unless it was started anew meanwhile."""

    def gather(self, seconds: float, enough: Callable[[list[Member]], str | None]) -> None:
        """Wait for all sites of the roster for up to ``seconds``, then go on if ``enough`` finds nothing missing.

        InputError naming sites that are missing, are not what the roster says, or have other code or profile.
        """
        begin = monotonic()
        while True:
            self.refresh(max(INTRODUCTION_SECONDS, seconds - (monotonic() - begin)))
            if self._refused:
                raise InputError("; ".join(f"site {name} {reason}" for name, reason in sorted(self._refused.items())))
            self.exchange.waiting(Wait(0, 0, self.absent(), []))
            complete = not self.absent() and (self.entries is not None or enough(self.online()) is None)
            if complete or monotonic() - begin >= seconds:
                break
            sleep(0.5)
        if lacking := enough(self.online()):
            away = ", ".join(f"{name} {self._unheard.get(name, '')}".rstrip() for name in self.absent())
            raise InputError(f"{lacking}; sites that did not join: {away or 'all'}: see their logs")
        for name in self.absent():
            log.warning("site %s did not join within %.0f s and can do so later", name, seconds)

    def refresh(self, seconds: float | None = None) -> None:
        """Ask nodes that are new, or were away, who they are; those that fit become members.

        A node that does not say so within ``seconds`` is asked again, in a run under way after a pause.
        """
        limit = INTRODUCTION_SECONDS if seconds is None else seconds
        nodes = {node.node_id: node for node in self.grid.get_nodes()}
        self._heard = {
            node: since
            for node, since in self._heard.items()
            if node in nodes and nodes[node].last_activated_at == since
        }
        asked = []
        for node_id, node in sorted(nodes.items()):
            if node_id in self._heard or monotonic() < self._not_before.get((node_id, node.last_activated_at), 0.0):
                continue
            self._heard[node_id] = node.last_activated_at
            if self.entries is not None and node.name and node.name not in self.entries:
                log.warning("site %s is connected and not on the roster: it takes no part", node.name)
                continue
            unknown = Member(node.name or f"of node {node_id}", "evaluate", node_id, {})
            asked.append(
                Question(unknown, MessageType.QUERY, invitation_content(self.federation, private=self.private))
            )
        answers = self.exchange.ask(asked, "join", limit)
        found: list[tuple[Introduction, int]] = []
        for answer in answers.values():
            if answer.message is None:
                since = self._heard.pop(answer.member.node)
                self._unheard[answer.member.name] = answer.reason
                pause = PAUSE if seconds is None else SHORT_PAUSE
                self._not_before[answer.member.node, since] = monotonic() + pause
                continue
            self._unheard.pop(answer.member.name, None)
            try:
                introduction = parse_introduction(answer.message.content)
            except (ValueError, KeyError):
                log.warning("site %s did not say who it is", answer.member.name)
                continue
            found.append((introduction, answer.member.node))
        # Training sites first: theirs is the profile that the others have to have. Of two with one name, the one that
        # was registered first.
        for introduction, node_id in sorted(
            found, key=lambda one: (one[0].role != "train", one[0].site, nodes[one[1]].registered_at, one[1])
        ):
            self._admit(introduction, node_id, nodes[node_id].name)

    def online(self) -> list[Member]:
        """Members whose nodes were there at the last `refresh`, by name."""
        return [member for _, member in sorted(self.members.items()) if member.node in self._heard]

    def wanted(self) -> list[str]:
        """Names on the roster, or where there is none, of sites that have ever joined."""
        return sorted(self.entries.keys() if self.entries is not None else self.members.keys() | self.expected)

    def absent(self) -> list[str]:
        """Names that are wanted and not there."""
        present = {member.name for member in self.online()}
        return [name for name in self.wanted() if name not in present]

    def dismiss(self, name: str) -> None:
        """A site said that it has left: it is no member until its node comes anew."""
        self.members.pop(name, None)
        log.warning("site %s has left: it is asked again only if its node starts anew", name)

    def _admit(self, site: Introduction, node: int, registered: str) -> None:
        name = registered or site.site
        if self.entries is not None and name not in self.entries:
            log.warning("site %s is there and not on the roster: it takes no part", name)
            return
        entry = self.entries[name] if self.entries is not None else RosterEntry(role=site.role)
        reason = self._objection(site, node, name, entry.role)
        if reason is not None:
            self._refused[name] = reason
            log.warning("site %s %s", name, reason)
            if name in self.members and self.members[name].node == node:  # it came back as something else
                del self.members[name]
            return
        self._refused.pop(name, None)
        self.admitted.append(name)
        if self.profile is None:
            self.profile = site.profile
        if entry.role == "train":
            self.cohorts |= {federated_name(name, cohort): counts for cohort, counts in site.cohorts.items()}
        sizes = {cohort: Size(counts.records, counts.patients) for cohort, counts in site.cohorts.items()}
        self.members[name] = member = Member(name, entry.role, node, sizes, entry.max_patients, site.parts)
        if site.audit:
            self.audits[name] = site.audit
            log.info("site %s: its audit log ends with %s", name, site.audit)
        if entry.max_patients is not None and member.patients > entry.max_patients:
            log.info("site %s has %d patients and counts as %d", name, member.patients, entry.max_patients)

    def _objection(self, site: Introduction, node: int, name: str, role: Role) -> str | None:
        """Why a site cannot take part; None where it can."""
        known = self.members.get(name)
        if site.site != name:
            return f"is registered by this name and calls itself {site.site}: make the name in its site.toml the same"
        if known is not None and known.node != node and known.node in self._heard:
            return (
                f"is connected twice: the nodes {known.node} and {node} are registered under this name; "
                f"one has to go, such as the later one by flwr supernode unregister {node}"
            )
        if role == "train" and (site.role != "train" or "train" not in site.parts):
            return "is there for evaluation only and does not train"
        if site.source != computing_code():
            return f"has other code ({site.source}): bring it to {computing_code()}"
        if self.profile is not None and site.profile.hash != self.profile.hash:
            return (
                f"has another profile, {site.profile.name} ({site.profile.hash}): "
                f"ingest with {self.profile.name} ({self.profile.hash})"
            )
        if any(SEPARATOR in word for word in (name, *site.cohorts)):
            return f"or a cohort of its has a {SEPARATOR} in its name, which stands between the two: rename it"
        return None
