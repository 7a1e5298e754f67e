"""How many of the patients whom an encoder was trained on can be told from it: what an audit measured."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_Share = Field(ge=0, le=1)


class Found(BaseModel):
    """Share of the members that an attack finds at 1 % false positives, with a 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = _Share
    low: float = _Share
    high: float = _Share

    def __str__(self) -> str:
        return f"{100 * self.rate:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f} %)"


class Membership(BaseModel):
    """What two attacks find of the patients that an encoder was trained on, against held-out ones of their cohorts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: int = Field(gt=0)
    """Patients trained on that were tried."""
    others: int = Field(gt=0)
    """Held-out patients that were tried."""
    similarity: Found
    """By how alike the embeddings of a patient's augmented recordings are."""
    embedding: Found
    """By a classifier of embeddings that has seen other patients of both kinds."""

    def __str__(self) -> str:
        return (
            f"at 1 % false positives, two-view similarity finds {self.similarity} of the patients trained on, a "
            f"classifier of embeddings {self.embedding}; {self.members} of them against {self.others} held out"
        )
