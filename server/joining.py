"""Who takes part: every node is asked once, before the first round."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flwr.app import Message, MessageType, RecordDict
from flwr.serverapp import Grid

from cape_fed.errors import InputError
from cape_fed.federation.messages import CohortCounts, Introduction, read_introduction, source_hash
from cape_fed.federation.roster import Member, Role
from cape_fed.signal.profile import Profile

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Roster:
    """The sites of a run, found on their nodes."""

    members: list[Member]
    profile: Profile
    cohorts: dict[str, CohortCounts]
    """Cohorts of the training sites."""


def join_sites(grid: Grid, roles: Mapping[str, Role] | None = None) -> Roster:
    """Ask every node which site it is, and keep those in ``roles``, with its role; all, with their own, if None.

    InputError naming sites that are missing, do not train though they should, or have other code or profile.
    """
    messages = [Message(RecordDict(), node, MessageType.QUERY, group_id="join") for node in sorted(grid.get_node_ids())]
    found = _introductions(grid.send_and_receive(messages))
    if roles is None:
        roles = {name: site.role for name, (_, site) in found.items()}
    missing = sorted(roles.keys() - found.keys())
    if missing or not roles:
        raise InputError(f"sites that did not join: {', '.join(missing) or 'all'}; see their logs")
    unwilling = sorted(name for name, role in roles.items() if role == "train" and found[name][1].role != "train")
    if unwilling:
        raise InputError(f"sites that are there for evaluation only and do not train: {', '.join(unwilling)}")
    sites = {name: found[name] for name in sorted(roles)}
    profile = next(iter(sites.values()))[1].profile
    _require_same({name: site.source for name, (_, site) in sites.items()}, source_hash(), "code")
    _require_same({name: site.profile.hash for name, (_, site) in sites.items()}, profile.hash, "profile")
    members = [
        Member(name, roles[name], node, sum(counts.patients for counts in site.cohorts.values()))
        for name, (node, site) in sites.items()
    ]
    trained = [site.cohorts for name, (_, site) in sites.items() if roles[name] == "train"]
    return Roster(members, profile, {name: counts for cohorts in trained for name, counts in cohorts.items()})


def _introductions(replies: Iterable[Message]) -> dict[str, tuple[int, Introduction]]:
    """Node and introduction by site name, of those that could answer."""
    found = {}
    for reply in replies:
        try:
            introduction = read_introduction(reply)
        except (ValueError, KeyError):  # an error reply has no content: Flower raises ValueError
            log.warning("node %d did not introduce itself", reply.metadata.src_node_id)
            continue
        found[introduction.site] = (reply.metadata.src_node_id, introduction)
    return found


def _require_same(values: Mapping[str, str], expected: str, what: str) -> None:
    different = sorted(name for name, value in values.items() if value != expected)
    if different:
        raise InputError(f"sites with another {what}: {', '.join(different)}; bring them to {what} {expected}")
