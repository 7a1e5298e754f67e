"""What a site lets itself be asked for at all: bounds that stand in its own file."""

from __future__ import annotations

import difflib
import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from cape_fed.evaluate.federated.dimensions import PATIENTS_A_DIMENSION
from cape_fed.evaluate.targets.registry import registered_tasks
from cape_fed.federation.roster import PARTS, Part
from cape_fed.section import Section

_HOURS = re.compile(r"(([01]\d|2[0-3]):[0-5]\d)-(([01]\d|2[0-3]):[0-5]\d)")


def _split(value: Any) -> Any:
    """Names in one string, separated by commas: Flower hands no lists over."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _known(label: str) -> str:
    if label not in (known := registered_tasks()):
        near = difflib.get_close_matches(label, known, 1, 0.5)
        raise ValueError(f"'{label}' is no label{f', {near[0]} is' if near else ''}")
    return label


def _span(hours: str) -> str:
    if not _HOURS.fullmatch(hours):
        raise ValueError(f"'{hours}' is no time of day: write from when to when, as in 20:00-06:00")
    return hours


Names = Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], BeforeValidator(_split)]
"""Names; an empty string stands for one empty name and is refused."""


class Limits(Section):
    """Bounds that no coordinator can lift; what is not on a list is not done."""

    minutes: float = Field(default=720.0, gt=0, description="longest time spent on one message")
    local_steps: int = Field(default=1_000_000, gt=0, description="most optimiser steps in one round")
    rounds_per_day: int | None = Field(default=None, gt=0, description="most rounds of training begun in a day")
    hours: Annotated[str, AfterValidator(_span)] | None = Field(
        default=None, description="when work is begun, as in 20:00-06:00; any time"
    )
    min_patients: int = Field(default=20, ge=1, description="fewest patients behind a number or a sum that leaves")
    patients_per_dimension: int = Field(
        default=PATIENTS_A_DIMENSION,
        ge=PATIENTS_A_DIMENSION,
        description="fewest patients of a set for each dimension that it is summed over towards transfer probes",
    )
    actions: Annotated[tuple[Part, ...], BeforeValidator(_split)] = Field(
        default=PARTS, min_length=1, description="what is done at all, of train, measure, sums and score"
    )
    labels: Annotated[tuple[Annotated[str, AfterValidator(_known)], ...], BeforeValidator(_split)] | None = Field(
        default=None, description="targets that an evaluation may be about; all registered ones, none of a store's own"
    )
    federations: Names | None = Field(default=None, description="names of federations that may ask; all")
    message_mb: float = Field(default=1024.0, gt=0, description="largest message in either direction, in 10⁶ bytes")

    def at_this_hour(self, now: datetime) -> bool:
        """Whether work may be begun at this time of day; the hours may go over midnight."""
        if self.hours is None:
            return True
        begin, end = self.hours.split("-")
        time = f"{now:%H:%M}"
        return begin <= time < end if begin < end else time >= begin or time < end
