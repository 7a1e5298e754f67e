"""What a study file says: questions, each with levels of one thing that differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cape_fed.compose import read_named
from cape_fed.errors import InputError
from cape_fed.section import Section
from cape_fed.study.kinds import Kind
from cape_fed.study.subsets import Factor, SubsetConfig

Pretraining = Literal["central", "federated", "local", "untrained", "demographics", "handmade"]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Overrides = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""``key=value`` in Hydra's grammar; sweeps such as ``seed=range(5)`` or ``norm=group,batch`` multiply the trials."""


class TrialKeys(Section):
    """Keys that a study has in addition to those of the configuration."""

    pretraining: Pretraining = "central"
    budget: Literal["epochs", "steps"] = Field(
        default="epochs", description="a site's steps: train.steps over the number of sites, or train.steps"
    )
    planted: str | None = Field(default=None, description="synthetic cohorts that differ in this artefact")
    planted_patients: int = Field(default=300, gt=0, description="patients of every planted cohort")
    patients: int | None = Field(default=None, gt=0, description="training patients of a subset, over all cohorts")
    world: int | None = Field(
        default=None, ge=0, description="number of a world: cohorts drawn from it and the seed of all training in it"
    )
    world_patients: int = Field(default=2000, gt=0, description="patients of every cohort of a world")
    world_kind: Kind = Field(
        default="drawn", description="what the cohorts of a world differ in more than cohorts that are drawn"
    )
    left_out: str | None = Field(
        default=None, description="cohort of data.train that is evaluated as OOD in place of trained on; each: in turn"
    )


class Levels(Section):
    """Levels that are subsets of the training patients."""

    factor: Factor
    levels: dict[str, float | tuple[float, ...]] = Field(min_length=2)

    def of(self, patients: int) -> SubsetConfig:
        """The subsets of so many patients."""
        return SubsetConfig(factor=self.factor, levels=self.levels, patients=patients)


class Question(Section):
    """One thing that differs, by levels, one of which is the reference; asked anew in each panel of ``across``."""

    title: str
    reference: str
    levels: dict[str, Overrides] = Field(default={})
    subset: Levels | None = None
    across: Overrides = ()
    beside: dict[str, Overrides] = Field(default={}, description="levels that are shown but not compared")
    shown: tuple[str, ...] = Field(
        default=("auroc/id", "auroc/ood", "auroc/worst", "mae/ood"), description="measures of picture and table"
    )
    listed: tuple[str, ...] = Field(default=(), description="further measures of the table")
    headline: str = Field(default="auroc/ood", description="the measure that the report's sentences are about")
    similar_to: str | None = Field(
        default=None, description="level to which the others' embeddings are compared by CKA"
    )
    artefacts: Literal["no", "one at a time", "together"] = Field(
        default="no", description="whether panels are planted artefacts, or trials look for each of them"
    )

    @model_validator(mode="after")
    def _one_kind_of_levels(self) -> Self:
        names = [*self.levels, *(self.subset.levels if self.subset else ())]
        if bool(self.levels) == bool(self.subset):
            raise ValueError("a question has either levels or a subset")
        if self.reference not in names:
            raise ValueError(f"the reference '{self.reference}' is none of the levels {', '.join(names)}")
        return self

    @property
    def compared(self) -> list[str]:
        """Names of the levels, in the order of the file."""
        return list(self.subset.levels if self.subset else self.levels)


class Claim(Section):
    """A statement that the study can refute, with the smallest difference that would matter, fixed beforehand."""

    text: str
    question: str
    level: str
    reference: str
    measure: str
    higher: bool = Field(description="whether the claim is that the level's measure is higher than the reference's")
    margin: float = Field(
        gt=0, description="a benefit that is certainly smaller than this refutes the claim, even one above 0"
    )
    primary: bool = Field(default=False, description="the one contrast that is not corrected for all others")


class StudyConfig(Section):
    """A study file."""

    title: str
    settings: Overrides = ()
    questions: dict[str, Question] = Field(min_length=1)
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _claims_are_about_levels(self) -> Self:
        for claim in self.claims:
            question = self.questions.get(claim.question)
            if question is None or not {claim.level, claim.reference} <= set(question.compared):
                raise ValueError(f"the claim '{claim.text}' is about levels that no question has")
            if claim.reference != question.reference or claim.level == claim.reference:
                raise ValueError(
                    f"the claim '{claim.text}' cannot be measured: the question {claim.question} compares its other "
                    f"levels with {question.reference}"
                )
        if sum(claim.primary for claim in self.claims) > 1:
            raise ValueError("only one claim can be primary")
        return self

    def only(self, names: Sequence[str]) -> StudyConfig:
        """The study with these questions only; InputError for one that it does not have."""
        if unknown := [name for name in names if name not in self.questions]:
            raise InputError(f"no question '{unknown[0]}' in this study: it has {', '.join(self.questions)}")
        kept = {name: self.questions[name] for name in names} if names else self.questions
        claims = tuple(claim for claim in self.claims if claim.question in kept)
        return self.model_copy(update={"questions": kept, "claims": claims})


def read_study(name: str) -> StudyConfig:
    """A study that comes with cape-fed, by name, or a file of one's own; InputError where it is not one."""
    return read_named(name, "study", "study", StudyConfig)
