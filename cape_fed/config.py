"""The whole configuration of a command, as configs/ composes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.config import FederationConfig
from cape_fed.federation.roster import RosterEntries
from cape_fed.finetune.config import FinetuneConfig
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.section import Section


def _as_tuple(value: Any) -> Any:
    """One path stands for a site with one cohort."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


SitePaths = Annotated[tuple[Path, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
"""The stores of one site."""


class DataConfig(Section):
    """Stores by role. Each entry is a site; a list within the list is a site with several cohorts."""

    train: tuple[SitePaths, ...] = ()
    evaluate: tuple[SitePaths, ...] = ()


class RunConfig(PretrainConfig):
    """Everything a run depends on; written to ``config.yaml`` in the run directory."""

    data: DataConfig = DataConfig()
    out: Path
    method: str | None = Field(default=None, description="name in tables; made from the configuration if absent")
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
    threads: int | None = Field(default=None, gt=0, description="CPU threads of one learner")
    engine: Literal["local", "flower"] = "local"
    federation: FederationConfig = FederationConfig()
    roster: RosterEntries | None = Field(default=None, description="sites and roles of a run on a SuperLink")
    evaluation: EvaluateOptions = EvaluateOptions()
    finetune: FinetuneConfig = FinetuneConfig()
    resume: bool = False

    @property
    def pretraining(self) -> PretrainConfig:
        """The part that decides what a learner does."""
        return PretrainConfig(**{name: getattr(self, name) for name in PretrainConfig.model_fields})

    def saved(self) -> dict[str, Any]:
        """What ``config.yaml`` holds: plain values, and not whether this was a resumption."""
        return self.model_dump(mode="json", exclude={"resume"})


def flat_paths(sites: Sequence[SitePaths]) -> list[Path]:
    """The stores of all sites."""
    return [path for site in sites for path in site]
