"""What a user can choose about fine-tuning."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Literal

from pydantic import Field, field_validator

from cape_fed.evaluate.targets.registry import regression_targets
from cape_fed.section import Section

Adaptation = Literal["linear", "full", "decayed"]
Mode = Literal["linear", "full", "decayed", "scratch"]
SplitBy = Literal["auto", "folds", "patients"]
LABELS = "labels"
"""Sex and all labels, learnt together."""

PASSES, FEWEST, MOST = 55, 400, 4000
"""Times that each record is seen, and steps, where a user gives none; docs/decisions/finetuning.md says why."""

Fraction = Annotated[float, Field(gt=0, le=1)]


class FinetuneConfig(Section):
    """Modes, shares of labels and the optimisation that all modes have in common."""

    target: str = Field(
        default=LABELS, description="what is learnt: sex and all labels together, or one regression target such as age"
    )
    modes: tuple[Adaptation, ...] = Field(
        default=("linear", "full", "decayed"), min_length=1, description="what of the encoder is trained on"
    )
    fractions: tuple[Fraction, ...] = Field(
        default=(0.01, 0.1, 1.0), min_length=1, description="shares of the train patients whose labels are used"
    )
    repeats: int = Field(default=3, gt=0, description="seeds; each draws other patients, batches and initial weights")
    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0),
        min_length=1,
        description="linear: penalties on the squared weights for each record, chosen on the validation patients",
    )
    steps: int | None = Field(
        default=None,
        gt=0,
        description="optimiser steps; absent: 55 for each batch of labelled records, at least 400 and at most 4000",
    )
    batch: int = Field(default=64, gt=0, description="records a step")
    check_every: int = Field(default=20, gt=0, description="steps between looks at the validation patients")
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(1e-3, 1e-2), min_length=1, description="tried in turn, chosen on the validation patients"
    )
    layer_decay: float = Field(
        default=0.5, gt=0, le=1, description="decayed: rate of a layer as a share of the one above it"
    )
    weight_decay: float = Field(default=0.01, ge=0, description="weight decay of the optimiser")
    split: SplitBy = Field(default="auto", description="auto: by folds where the archive recommends some")
    save: bool = Field(default=False, description="keep every fine-tuned classifier")

    def steps_for(self, records: int) -> int:
        """Optimiser steps on so many labelled records."""
        return self.steps or min(max(FEWEST, ceil(PASSES * records / self.batch)), MOST)

    @field_validator("target")
    @classmethod
    def _can_be_learnt(cls, value: str) -> str:
        if value not in (known := [LABELS, *regression_targets()]):
            raise ValueError(f"choose one of {', '.join(known)}")
        return value

    @field_validator("modes", "fractions", "penalties", "learning_rates")
    @classmethod
    def _once_each(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) < len(values):
            raise ValueError("each value can be given once")
        return values
