"""Who takes part: every node is asked once, before the first round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flwr.app import Message, MessageType, RecordDict
from flwr.serverapp import Grid

from cape_fed.errors import InputError
from cape_fed.federation.messages import CohortCounts, Introduction, read_introduction, source_hash
from cape_fed.federation.roster import Member, Role
from cape_fed.signal.profile import Profile


@dataclass(frozen=True, slots=True)
class Roster:
    """The sites of a run, found on their nodes."""

    members: list[Member]
    profile: Profile
    cohorts: dict[str, CohortCounts]
    """Cohorts of the training sites."""


def join_sites(grid: Grid, roles: Mapping[str, Role]) -> Roster:
    """Ask every node which site it is; InputError naming sites that are missing or have other code or profile."""
    messages = [Message(RecordDict(), node, MessageType.QUERY, group_id="join") for node in sorted(grid.get_node_ids())]
    found = _introductions(grid.send_and_receive(messages))
    missing = sorted(roles.keys() - found.keys())
    if missing:
        raise InputError(f"sites that did not join: {', '.join(missing)}; see their logs")
    sites = {name: found[name] for name in sorted(roles)}
    profile = next(iter(sites.values()))[1].profile
    _require_same({name: site.source for name, (_, site) in sites.items()}, source_hash(), "code")
    _require_same({name: site.profile.hash for name, (_, site) in sites.items()}, profile.hash, "profile")
    members = [Member(name, roles[name], node) for name, (node, _) in sites.items()]
    trained = [site.cohorts for name, (_, site) in sites.items() if roles[name] == "train"]
    return Roster(members, profile, {name: counts for cohorts in trained for name, counts in cohorts.items()})


def _introductions(replies: Iterable[Message]) -> dict[str, tuple[int, Introduction]]:
    """Node and introduction by site name, of those that could answer."""
    told = [(reply.metadata.src_node_id, read_introduction(reply)) for reply in replies if not reply.has_error()]
    return {introduction.site: (node, introduction) for node, introduction in told}


def _require_same(values: Mapping[str, str], expected: str, what: str) -> None:
    different = sorted(name for name, value in values.items() if value != expected)
    if different:
        raise InputError(f"sites with another {what}: {', '.join(different)}; bring them to {what} {expected}")
