"""Schema of a study's ``results.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from cape_fed.evaluate.statistics.effects import Effect
from cape_fed.study.config import Claim, StudyConfig

SIGNIFICANT = 0.05
Ruling = Literal["supported", "refuted", "undecided"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Value(_Part):
    """A mean over seeds with its interval over seeds and patients, or over worlds."""

    point: float
    low: float | None
    high: float | None
    seeds: list[float]

    @classmethod
    def of(cls, effect: Effect) -> Value:
        """The parts of an effect that describe a level by itself."""
        return cls(point=effect.point, low=effect.low, high=effect.high, seeds=list(effect.seeds))


class Contrast(Value):
    """A level minus the reference, paired by seed and by patient."""

    level: str
    reference: str
    size: float | None
    """In standard deviations of the difference between seeds."""
    p: float | None
    p_holm: float | None
    """Corrected by Holm for all contrasts of this measure in the study; of the primary one, ``p`` as it is."""
    primary: bool = False
    """Whether this is the one contrast that a claim named beforehand as primary."""

    @property
    def significant(self) -> bool:
        """Whether the corrected p is below the level at which studies call a difference one."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANT


class Panel(_Part):
    """A question asked with one setting of everything else."""

    name: str
    """What it is asked with, empty where there is one panel only."""
    levels: dict[str, dict[str, Value]]
    """Level → measure → value."""
    contrasts: dict[str, list[Contrast]]
    """By measure."""
    balance: dict[str, dict[str, float]] = {}
    """Who the patients of each subset are, means over seeds; empty where levels are not subsets."""


class Answer(_Part):
    """One question with all its panels."""

    title: str
    reference: str
    panels: list[Panel]
    worlds: bool = False
    """Whether replicates are worlds; otherwise they are seeds on the same cohorts."""
    carried: dict[str, list[Contrast]] = {}
    """Level → how much better the cohort is named where cohorts differ in an artefact than where in nothing."""

    @property
    def artefacts(self) -> list[str]:
        """Artefacts that were probed, in the order in which they were planted."""
        return list(dict.fromkeys(contrast.level for found in self.carried.values() for contrast in found))


class Verdict(_Part):
    """What became of a claim."""

    claim: Claim
    panel: str
    outcome: Ruling
    contrast: Contrast


class Power(_Part):
    """How many worlds it takes to see a difference, from how much it varied between those of this study."""

    claim: str
    difference: float
    """Smallest difference that matters: the claim's margin."""
    deviation: float
    """Standard deviation of the difference between worlds."""
    worlds: int
    """Worlds of this study."""
    needed: int
    """Worlds with which the difference would be found with a probability of ``power``, at a level of 0.05."""
    power: float


class StudyResults(_Part):
    """``results.json`` of a study."""

    format: Literal[1] = 1
    study: StudyConfig
    overrides: list[str]
    cells: int
    failed: dict[str, str] = {}
    """Trials that failed, by name, and why."""
    answers: dict[str, Answer]
    verdicts: list[Verdict]
    powers: list[Power] = []
    """Of claims about worlds."""

    @property
    def in_worlds(self) -> bool:
        """Whether replicates are worlds in every question."""
        return bool(self.answers) and all(answer.worlds for answer in self.answers.values())

    @property
    def primary(self) -> bool:
        """Whether one contrast was named beforehand as primary."""
        return any(claim.primary for claim in self.study.claims)

    @property
    def unmeasured(self) -> list[Claim]:
        """Claims about which there is no number: its cohorts, patients or trials are not in this study."""
        judged = {verdict.claim.text for verdict in self.verdicts}
        return [claim for claim in self.study.claims if claim.text not in judged]
