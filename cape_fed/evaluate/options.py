"""What a user can choose about an evaluation."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PENALTIES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class EvaluateOptions(BaseModel):
    """Settings of an evaluation or comparison; they are written into its results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, description="from which the bootstrap is drawn")
    resamples: int = Field(1000, ge=1, description="bootstrap resamples of the patients")
    level: float = Field(0.95, gt=0, lt=1, description="coverage of the intervals")
    min_patients: int = Field(20, ge=1, description="positive and negative patients below which nothing is shown")
    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        PENALTIES, min_length=1, description="penalties to choose from: ridge a train record, LDA on the diagonal"
    )
    dimensions: int | None = Field(
        None,
        ge=1,
        description="dimensions of embeddings that transfer probes are fitted on, drawn at random; absent: all in one "
        "place, and at sites so many that most patients can contribute",
    )
    map_records: int = Field(1500, ge=0, description="records on the embedding map")
    examples: int = Field(1, ge=0, description="example ECGs a cohort")
