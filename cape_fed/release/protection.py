"""What protects the patients whom an encoder was trained on, as its bundle says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

NOTHING = "no differential privacy was applied: ε = ∞"


class SiteProtection(BaseModel):
    """What a run has cost the patients of one site."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patients: int
    """Slots of the roster: a number that is public and rounded down."""
    noise_multiplier: float
    sample_rate: float
    steps: int
    delta: float
    epsilon: float
    """By RDP, which decides."""
    epsilon_prv: float
    """By PRV, which is closer."""


class Protection(BaseModel):
    """Differential privacy of a run, under which a patient of a site counts or is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["patient"] = "patient"
    block: int
    clip: float
    views: int
    sites: dict[str, SiteProtection] = Field(min_length=1)

    @property
    def epsilon(self) -> float:
        """ε of the patients who are protected least."""
        return max(site.epsilon for site in self.sites.values())

    @property
    def delta(self) -> float:
        """The largest δ of a site."""
        return max(site.delta for site in self.sites.values())


_SECTION = """
## Privacy

Every training patient with all their recordings is protected by ({epsilon}, δ)-differential privacy: the weights would
come out almost as likely if that patient's slot had been empty. Encoder and head were trained on random disjoint blocks
of {block} patients whose gradients were clipped to {clip:g} together. Noise and sampling came from the operating
system, not from the seed of the run.

| site | patients (rounded) | σ | q | steps | δ | ε (RDP) | ε (PRV) |
|---|---|---|---|---|---|---|---|
{rows}

{before}

This hides neither how many patients a site has nor that it took part. Exchanging a patient's recordings for others is
protected less than leaving them out, at worst by twice ε. Whoever is a patient of several sites has the ε of each,
composed.
"""

_ALONE = "It covers this run alone: what patients have spent in other runs stands in each site's ledger."
_BEFORE = """\
The table is of this run, with ε = {own:.2f}. It began with an encoder that was trained on the same cohorts in private
too, with ε = {others}: both are in the weights, so that ε and δ above are the sums. What patients have spent in other
runs stands in each site's ledger."""


def protection_line(protection: Protection | None, before: Sequence[Protection] = ()) -> str:
    """What protects the patients, in a line; ``before`` are the runs that the encoder began with on the same cohorts.

    What several runs cost adds up, ε and δ alike, whichever patients were in more than one of them.
    """
    if protection is None:
        return NOTHING
    runs = (protection, *before)
    most = " at most, this run and those that it began with together" if before else ""
    return (
        f"ε = {sum(run.epsilon for run in runs):.2f} at δ = {sum(run.delta for run in runs):.1e} for every training "
        f"patient, by differential privacy{most}"
    )


def protection_section(protection: Protection | None, before: Sequence[Protection] = ()) -> str:
    """What a model card says of it in a section of its own, see `protection_line`; empty where there is nothing."""
    if protection is None:
        return ""
    runs = (protection, *before)
    rows = "\n".join(f"| {name} | {_row(site)} |" for name, site in sorted(protection.sites.items()))
    return _SECTION.format(
        epsilon=f"ε = {sum(run.epsilon for run in runs):.2f}",
        block=protection.block,
        clip=protection.clip,
        rows=rows,
        before=_ALONE
        if not before
        else _BEFORE.format(own=protection.epsilon, others=" and ".join(f"{run.epsilon:.2f}" for run in before)),
    )


def _row(site: SiteProtection) -> str:
    values: tuple[Any, ...] = (
        site.patients,
        f"{site.noise_multiplier:.4f}",
        f"{site.sample_rate:g}",
        site.steps,
        f"{site.delta:.1e}",
        f"{site.epsilon:.2f}",
        f"{site.epsilon_prv:.2f}",
    )
    return " | ".join(map(str, values))
