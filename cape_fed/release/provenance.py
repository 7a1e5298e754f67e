"""What a bundle says about how its encoder came about."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from cape_fed.pretrain.config import SplitConfig
from cape_fed.release.cohort_names import may_overlap, own_name
from cape_fed.release.figures import Figures
from cape_fed.release.membership import Membership
from cape_fed.release.protection import Protection
from cape_fed.store.composition import Composition
from cape_fed.store.counts import WITHHELD, CohortCounts


class Selection(BaseModel):
    """How the rounds of an encoder were chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    rounds: int
    """Number of rounds after which the encoder was taken."""
    score: float


class Participation(BaseModel):
    """What a site gave to an encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: int = 0
    """Rounds in which its update counted."""
    patients: int = 0
    """Training patients that it weighed in the last of them."""
    last_round: int | None = None
    """Number of the last of them, from 0."""
    cohorts: list[str] = []


class Provenance(BaseModel):
    """Method, training cohorts and configuration of an encoder; it holds no paths and no names of machines.

    Everything has a default, so that bundles of earlier versions and encoders of random weights can be read.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    method: str = "unnamed"
    """Name of the method in tables."""
    cohorts: dict[str, CohortCounts] = {}
    """Cohorts that the encoder was trained on; those of a federation as SITE/COHORT."""
    composition: dict[str, Composition] = {}
    """Who is in those cohorts, where their stores were at hand; sites of a federation tell their counts alone."""
    config: dict[str, Any] = {}
    """The part of the run's configuration that the weights depend on."""
    privacy: Protection | None = None
    """What protects the patients of the training cohorts; nothing where it is not said."""
    started_from: Provenance | None = None
    """Of the encoder that training began with, where that was not one of random weights."""
    selected: Selection | None = None
    """How its round was chosen, where it is not the last one."""
    participation: dict[str, Participation] = {}
    """What each site of a federation gave."""
    rounds: int | None = None
    """Rounds that the federation took."""
    code: dict[str, int] = {}
    """Hashes of the apps that led the federation, each with the round from which on it did."""
    ended: str | None = None
    """Why the federation ended where it did."""

    membership: Membership | None = None
    """What an audit found of the patients that it was trained on; None where there was none."""
    evaluation: Figures | None = None
    """What an evaluation found, for the model card; None where none was written into it."""
    licence: str | None = None
    """What the weights may be used for, as whoever releases them says."""

    def trained_as(self, cohort: str, fingerprint: str = WITHHELD) -> dict[str, CohortCounts]:
        """The training cohorts that their own site calls ``cohort``, by their names here; several sites may.

        Where the names were withheld, a store is known by its ``fingerprint`` alone.
        """
        return {
            name: counts
            for name, counts in self.cohorts.items()
            if own_name(name) == cohort or (counts.has_fingerprint and counts.fingerprint == fingerprint)
        }

    @property
    def earlier(self) -> list[Provenance]:
        """Of the encoders that training began with, the last one first."""
        return [] if self.started_from is None else [self.started_from, *self.started_from.earlier]

    @property
    def protected_before(self) -> list[Protection]:
        """What protected patients, who may be the same ones, in the runs of encoders that it began with: it adds up."""
        return [
            before.privacy
            for before in self.earlier
            if before.privacy is not None and may_overlap(self.cohorts, before.cohorts)
        ]

    @property
    def unprotected(self) -> dict[str, CohortCounts]:
        """Cohorts that the weights have seen without differential privacy, also in encoders they began with."""
        before = self.started_from.unprotected if self.started_from else {}
        return before if self.privacy else {**before, **self.cohorts}

    @property
    def split(self) -> SplitConfig:
        """How the patients of the training cohorts were split."""
        return SplitConfig.model_validate(self.config.get("split", {}))

    def saved(self) -> dict[str, Any]:
        """What a bundle's ``config.json`` holds."""
        return self.model_dump(mode="json", exclude_none=True)
