"""What a run says about differential privacy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cape_fed.section import Section

MOST_DELTA = 1e-5
LEAST_CLIP, MOST_CLIP = 1e-6, 1e6
"""Between these neither a squared gradient nor the noise leaves the range of float32 where it matters."""


class PrivacyConfig(Section):
    """Differential privacy of a run: none, or (ε, δ) for every patient by random disjoint blocks."""

    mode: Literal["none", "patient"] = Field(
        default="none", description="none: no differential privacy, ε = ∞; patient: the patient is what is protected"
    )
    epsilon: float | None = Field(
        default=8.0, gt=0, description="ε of the whole run, from which each site computes its noise"
    )
    noise_multiplier: float | None = Field(
        default=None, gt=0, description="σ: noise by its size, in lengths of clip; given, epsilon is not used"
    )
    delta: float = Field(
        default=MOST_DELTA,
        gt=0,
        le=MOST_DELTA,
        description="δ; a site with N patients takes 1/(10 N) where that is less",
    )
    sample_rate: float = Field(default=0.05, gt=0, le=1, description="q: probability of a block to be in a step")
    block: int = Field(default=4, ge=2, le=16, description="k: patients that are contrasted with each other")
    clip: float = Field(
        default=1.0,
        ge=LEAST_CLIP,
        le=MOST_CLIP,
        description="C: bound on a block's gradient; choose it on public or synthetic recordings",
    )
    views: int = Field(
        default=1, ge=1, le=64, description="pairs of views of a block, whose gradients are averaged before the clip"
    )

    @property
    def on(self) -> bool:
        """Whether a run is differentially private."""
        return self.mode == "patient"

    def delta_for(self, slots: int) -> float:
        """δ of a site with ``slots`` patients."""
        return min(self.delta, 1 / (10 * max(1, slots)))
