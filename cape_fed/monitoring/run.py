"""A run as monitoring sees it: where it is, what its rounds did, and how its sites stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from statistics import median
from typing import Any, get_args

from cape_fed.status import State

STATES: tuple[State, ...] = get_args(State)
UNDER_WAY = ("joining", "running")
STANDINGS = ("active", "silent", "missing", "quarantined", "evaluating", "away")
"""``missing``: its reply did not count in the last round; ``away``: its node is not there, or it has not joined."""
USUAL_OVER = 20
"""Rounds whose median length is the usual one."""


@dataclass(frozen=True)
class Run:
    """One run, as its directory describes it at one moment."""

    name: str
    """Of the directory."""
    state: str
    status: Mapping[str, Any]
    rounds: tuple[Mapping[str, Any], ...] = ()
    """Lines of ``metrics.jsonl`` on rounds, in their order."""
    measured: tuple[Mapping[str, Any], ...] = ()
    """Its lines on measurements of the encoder."""
    config: Mapping[str, Any] = field(default_factory=dict)
    touched: float = 0.0
    """Unix time of the last change to its metrics."""

    @property
    def id(self) -> str:
        """Name of the run as sites know it; empty before it has one."""
        return str(self.status.get("run", ""))

    @property
    def planned(self) -> int:
        """Rounds that the run is to have."""
        return int(self.status.get("rounds") or look_up(self.config, "federation", "rounds") or 0)

    @property
    def done(self) -> int:
        """Rounds that are done."""
        return max(int(self.status.get("rounds_done") or 0), len(self.rounds))

    @property
    def last(self) -> Mapping[str, Any]:
        """The last round's line; empty before there is one."""
        return self.rounds[-1] if self.rounds else {}

    @property
    def last_time(self) -> float | None:
        """When the last round ended, in Unix time; of a line without a time, when the file was last written."""
        if not self.rounds:
            return None
        said = self.last.get("time")
        return datetime.fromisoformat(str(said)).timestamp() if said else self.touched

    @property
    def strategy(self) -> str:
        """The federated method."""
        return str(look_up(self.config, "federation", "strategy") or "")

    @property
    def samples_a_round(self) -> int:
        """Recordings that a site looks at in a round of training: two a pair and step."""
        return (
            2
            * int(look_up(self.config, "federation", "local_steps") or 0)
            * int(look_up(self.config, "train", "pairs") or 0)
        )

    @cached_property
    def usual_seconds(self) -> float | None:
        """Median length of the last rounds; None before there is one."""
        lengths = [line["seconds"] for line in self.rounds[-USUAL_OVER:]]
        return median(lengths) if lengths else None

    @cached_property
    def roles(self) -> dict[str, str]:
        """Role by site: as the run says, else of the roster, else ``train`` for those that have been asked to train."""
        looked = {name: "evaluate" for line in self.measured for name in line.get("monitors", ())}
        trained = {name: "train" for line in self.rounds for name in (*line["sites"], *line.get("missing", ()))}
        roster = self.config.get("roster") or {}
        named = {name: entry["role"] if isinstance(entry, Mapping) else str(entry) for name, entry in roster.items()}
        said = {name: str(site["role"]) for name, site in self._sites.items() if site.get("role")}
        return dict(sorted({**looked, **trained, **named, **said}.items()))

    def standing(self, site: str) -> str:
        """One of `STANDINGS`."""
        said = self._sites.get(site, {})
        if said.get("quarantined"):
            return "quarantined"
        if self.state in UNDER_WAY and site in (self.status.get("silent") or ()):
            return "silent"
        if self.state in UNDER_WAY and said.get("online") is False:
            return "away"
        if self.roles.get(site) == "evaluate":
            return "evaluating"
        if site in self.last.get("missing", ()):
            return "missing"
        return "active" if any(site in line["sites"] for line in self.rounds) else "away"

    @property
    def _sites(self) -> Mapping[str, Mapping[str, Any]]:
        """What the run says of each site."""
        return self.status.get("sites") or {}

    def troubled(self) -> list[Mapping[str, Any]]:
        """The rounds, and the one that was given up if there is one, each perhaps with its ``trouble``."""
        return [*self.rounds, *filter(None, [self.status.get("given_up")])]

    def trouble(self) -> dict[tuple[str, str, str], int]:
        """How often a reply of a site did not count: by site, by what happened (refused or failed) and by reason."""
        counts: dict[tuple[str, str, str], int] = {}
        for line in self.troubled():
            for entry in line.get("trouble", ()):
                key = (str(entry["site"]), str(entry["what"]), str(entry["reason"]))
                counts[key] = counts.get(key, 0) + 1
        return counts

    def parts(self) -> dict[str, float]:
        """Seconds by part of a round, over all rounds."""
        total: dict[str, float] = {}
        for line in self.rounds:
            for part, seconds in line.get("parts", {}).items():
                total[part] = total.get(part, 0.0) + seconds
        return total


def look_up(values: Mapping[str, Any], *keys: str) -> Any:
    """What lies under nested keys; None where one is missing."""
    found: Any = values
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
