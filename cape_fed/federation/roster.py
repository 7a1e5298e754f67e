"""The coordinator's list of sites and their roles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field

from cape_fed.federation.plausibility import Size
from cape_fed.section import Section

Role = Literal["train", "evaluate"]
Part = Literal["train", "measure", "sums", "score"]
"""What a message may ask: training, label-free monitors, sums towards probes, scores by probes."""
PARTS: tuple[Part, ...] = get_args(Part)


class RosterEntry(Section):
    """What the coordinator lets a site do."""

    role: Role
    max_patients: int | None = Field(default=None, gt=0, description="the most patients the site is weighted with")


def _read_entries(value: Any) -> Any:
    """A YAML file's name stands for its content, a bare role for an entry with that role."""
    if isinstance(value, str | Path):
        try:
            value = yaml.safe_load(Path(value).read_text())
        except (OSError, yaml.YAMLError) as error:
            raise ValueError(f"cannot read the roster {value}: {type(error).__name__}") from error
    if not isinstance(value, Mapping):
        raise ValueError("a roster names each site with its role: {hospital-a: train, hospital-b: evaluate}")
    return {name: {"role": entry} if isinstance(entry, str) else entry for name, entry in value.items()}


RosterEntries = Annotated[dict[str, RosterEntry], BeforeValidator(_read_entries)]
"""Sites by registered name; given as such, with a bare role an entry, or as the path of a YAML file of either."""


@dataclass(frozen=True, slots=True)
class Member:
    """A site that has joined."""

    name: str
    role: Role
    node: int
    """Flower's id of the site's node."""
    cohorts: Mapping[str, Size]
    """What it said it has, by cohort: no count it gives can be more."""
    max_patients: int | None = None
    parts: Collection[Part] = PARTS
    """What it does at all, by its own word."""

    @property
    def size(self) -> Size:
        """What it said it has in all."""
        return Size(
            sum(size.records for size in self.cohorts.values()), sum(size.patients for size in self.cohorts.values())
        )

    @property
    def patients(self) -> int:
        """Patients of all its cohorts: its weight cannot be more."""
        return self.size.patients

    def weight(self, patients: int) -> int:
        """What ``patients`` training patients count for: no more than the roster allows."""
        return patients if self.max_patients is None else min(patients, self.max_patients)


def members_with(roster: Iterable[Member], role: Role) -> list[Member]:
    """Members of one role, by name: the order in which replies are summed."""
    return sorted((member for member in roster if member.role == role), key=lambda member: member.name)
