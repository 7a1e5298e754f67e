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
    """A mean over seeds with its interval over seeds and patients, over worlds, or over cohorts left out."""

    point: float
    low: float | None
    high: float | None
    seeds: list[float]
    """Each seed's, world's or cohort's own value."""

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
    error: float | None = None
    """Standard error of the point."""

    @property
    def significant(self) -> bool:
        """Whether the corrected p is below the level at which studies call a difference one."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANT


class Pooled(Contrast):
    """A contrast pooled over the cohorts that were left out in turn, see `cape_fed.study.pooling`."""

    cohorts: list[str]
    """Those that are in it, in the order of ``seeds``, which are their contrasts."""
    missing: list[str]
    """Those that have no contrast: no number for both levels."""
    weights: list[float]
    """Share of each cohort in the point."""
    tau: float
    """Standard deviation of the contrast between cohorts, by Paule and Mandel."""
    i2: float
    """Share of the variation between cohorts that is more than their errors explain, 0 to 1."""
    predicted_low: float
    predicted_high: float
    """Interval in which the contrast of one further cohort is expected."""


class PooledPanel(_Part):
    """A question's contrasts pooled over the cohorts left out, with one setting of everything else."""

    name: str
    """What it is asked with, empty where there is one setting only."""
    contrasts: dict[str, list[Pooled]]
    """By measure; none of a measure or level with fewer than three cohorts."""


class Panel(_Part):
    """A question asked with one setting of everything else."""

    name: str
    """What it is asked with, empty where there is one panel only."""
    setting: str = ""
    """The name without the cohort that is left out."""
    left_out: str | None = None
    """The cohort that the trials of this panel left out; the others were trained on."""
    tasks: list[str] = []
    """What the encoders of this panel were asked of the cohort left out."""
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
    pooled: list[PooledPanel] = []
    """Over the cohorts that were left out in turn; empty where none was."""
    carried: dict[str, list[Contrast]] = {}
    """Level → how much better the cohort is named where cohorts differ in an artefact than where in nothing."""

    @property
    def left_out(self) -> list[str]:
        """Cohorts that were left out in turn, in the order of the study."""
        return list(dict.fromkeys(panel.left_out for panel in self.panels if panel.left_out is not None))

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
    pooled: bool = False
    """Whether the contrast is pooled over cohorts left out in turn."""


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
    absent: dict[str, str] = {}
    """Levels that stand beside others and could not be measured here, and why."""
    answers: dict[str, Answer]
    verdicts: list[Verdict]
    powers: list[Power] = []
    """Of claims about worlds."""

    @property
    def in_worlds(self) -> bool:
        """Whether replicates are worlds in every question."""
        return bool(self.answers) and all(answer.worlds for answer in self.answers.values())

    @property
    def by_cohort(self) -> bool:
        """Whether every question leaves out one cohort after the other."""
        return bool(self.answers) and all(answer.left_out for answer in self.answers.values())

    @property
    def primary(self) -> bool:
        """Whether one contrast was named beforehand as primary."""
        return any(claim.primary for claim in self.study.claims)

    @property
    def unmeasured(self) -> list[Claim]:
        """Claims about which there is no number: its cohorts, patients or trials are not in this study."""
        judged = {verdict.claim.text for verdict in self.verdicts}
        return [claim for claim in self.study.claims if claim.text not in judged]
