"""The coordinator's list of sites and their roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["train", "evaluate"]


@dataclass(frozen=True, slots=True)
class Member:
    """A site on the roster."""

    name: str
    role: Role
    node: int
    """Flower's id of the site's node."""
    patients: int
    """Patients of all its cohorts: its weight cannot be more."""


def members_with(roster: Sequence[Member], role: Role) -> list[Member]:
    """Members of one role, by name: the order in which replies are summed."""
    return sorted((member for member in roster if member.role == role), key=lambda member: member.name)
