"""What a run tells of itself while it goes on: its ``status.json``."""

from __future__ import annotations

from typing import Any

from cape_fed.coordinator.checkpoint import Facts
from cape_fed.coordinator.exchange import Wait
from cape_fed.coordinator.membership import Membership
from cape_fed.status import Status


class Reporting:
    """Keeps the status of one run up to date."""

    def __init__(self, status: Status, facts: Facts, rounds: int, code: str) -> None:
        """``rounds`` that the run is to have, and the hash of the app that leads it."""
        self.status = status
        self.facts = facts
        self.membership: Membership | None = None
        """Known once there is somebody to ask."""
        status.update(run=facts.run, rounds=rounds, rounds_done=facts.rounds_done, app=code)

    def wait(self, wait: Wait) -> None:
        """Answers are waited for; before the first round, those of all sites that are to join."""
        if self.membership is None:
            return
        if self.status.fields["state"] == "joining":
            absent, wanted = self.membership.absent(), self.membership.wanted()
            wait = Wait(len(wanted) - len(absent), len(wanted), absent, wait.silent)
        self.status.update(
            answered=wait.answered, asked=wait.asked, awaited=wait.awaited, silent=wait.silent, **self._members()
        )

    def begin(self) -> None:
        """The sites have joined."""
        self.status.update(state="running", answered=0, asked=0, awaited=[], **self._members())

    def took_round(self, done: int) -> None:
        """So many rounds are done."""
        self.status.update(rounds_done=done, **self._members())

    def _members(self) -> dict[str, Any]:
        """What the sites that have joined say, and said last of their audit logs."""
        assert self.membership is not None
        return {"sites": self.sites(), "audits": self.membership.audits}

    def sites(self) -> dict[str, dict[str, Any]]:
        """Each site that has joined or is to join: whether it is there, its role, its cohorts, what it gave so far."""
        assert self.membership is not None
        members, barred = self.membership.members, self.facts.standing.barred
        there = {member.name for member in self.membership.online()}
        found: dict[str, dict[str, Any]] = {}
        for name in sorted({*self.membership.wanted(), *members, *self.facts.participation}):
            member, part = members.get(name), self.facts.participation.get(name)
            found[name] = {
                "online": name in there,
                "role": member.role if member else None,
                "cohorts": sorted(member.cohorts) if member else [],
                "rounds": part.rounds if part else 0,
                "patients": part.patients if part else 0,
                "last_round": part.last_round if part else None,
                "quarantined": barred.get(name),
            }
        return found
