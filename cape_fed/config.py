"""The whole configuration of a command, and the sections of it that each job receives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from cape_fed.errors import InputError
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.config import FederationConfig
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.roster import RosterEntries
from cape_fed.finetune.config import FinetuneConfig
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.release.provenance import Provenance
from cape_fed.section import Section
from cape_fed.store.counts import CohortCounts
from cape_fed.tracking.config import TrackingConfig

FEDERATED = "federated"
"""Name of a federated encoder in tables, where the configuration gives no other."""
_LOCAL = {
    "data", "out", "start", "device", "threads", "resume", "evaluation", "finetune", "roster", "other_code", "tracking",
    "encoder", "handmade",
}  # fmt: skip
"""Configuration that is about machines, sites or what comes after, and would carry their names into a bundle."""


def _as_tuple(value: Any) -> Any:
    """One path stands for a site with one cohort."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


SitePaths = Annotated[tuple[Path, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
"""The stores of one site."""


def _by_name(value: Any) -> Any:
    """An encoder that is given no name is called what it is."""
    if isinstance(value, str):
        return {value: value}
    return {entry: entry for entry in value} if isinstance(value, Sequence) else value


def _check_factories(encoders: dict[str, str]) -> dict[str, str]:
    for name, factory in encoders.items():
        module, _, function = factory.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), function)):
            raise InputError(
                f"encoder={factory} is no factory: write package.module:factory, or {{{name}: package.module:factory}}"
            )
    return encoders


ForeignEncoders = Annotated[
    dict[str, str], BeforeValidator(_by_name), AfterValidator(_check_factories), Field(min_length=1)
]
"""Factories of encoders by the names that they have in tables."""


class DataConfig(Section):
    """Stores by role. Each entry is a site; a list within the list is a site with several cohorts."""

    train: tuple[SitePaths, ...] = Field(default=(), description="stores that are trained on: ID")
    evaluate: tuple[SitePaths, ...] = Field(default=(), description="stores that are only evaluated on: OOD")

    @property
    def paths(self) -> list[Path]:
        """All stores."""
        return flat_paths([*self.train, *self.evaluate])


class RunConfig(PretrainConfig):
    """Everything that a run depends on; written to ``config.yaml`` in the run directory.

    The keys of pretraining stand at the top, as users write them; `pretraining` is the section that they make up.
    """

    data: DataConfig = DataConfig()
    out: Path = Field(description="directory that is written to")
    method: str | None = Field(default=None, description="name in tables; made from the configuration if absent")
    encoder: ForeignEncoders | None = Field(
        default=None,
        description="evaluate, finetune: encoders of somebody else's, package.module:factory or {NAME: "
        "package.module:factory}",
    )
    handmade: bool = Field(default=True, description="evaluate: whether tables have the hand-made baseline")
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
    threads: int | None = Field(default=None, gt=0, description="CPU threads of one learner")
    engine: Literal["local", "flower"] = Field(default="local", description="what carries a simulation's messages")
    federation: FederationConfig = Field(default=FederationConfig(), validate_default=True)
    privacy: PrivacyConfig = PrivacyConfig()
    start: Path | None = Field(default=None, description="bundle whose encoder training begins with")
    roster: RosterEntries | None = Field(default=None, description="sites and roles of a run on a SuperLink")
    evaluation: EvaluateOptions = EvaluateOptions()
    finetune: FinetuneConfig = FinetuneConfig()
    tracking: TrackingConfig = TrackingConfig()
    resume: bool = Field(default=False, description="go on with the run in out=")
    other_code: bool = Field(default=False, description="resume although other code computes now than before")

    @field_validator("out", mode="before")
    @classmethod
    def _says_where(cls, out: Any) -> Any:
        if out is None or not str(out).strip():
            raise InputError("out is empty: say where to write with out=DIR")
        return out

    @field_validator("federation")
    @classmethod
    def _check_method(cls, federation: FederationConfig) -> FederationConfig:
        from cape_fed.methods.registry import complete_options  # imports PyTorch

        options = complete_options(federation.strategy, federation.options)
        return federation.model_copy(update={"options": options})

    @property
    def pretraining(self) -> PretrainConfig:
        """The part that decides what a learner does."""
        return PretrainConfig(**{name: getattr(self, name) for name in PretrainConfig.model_fields})

    def provenance(self, method: str, cohorts: Mapping[str, CohortCounts]) -> Provenance:
        """What a bundle says of a run: its method, its cohorts and the configuration behind the weights; no paths."""
        return Provenance(
            method=self.method or method,
            cohorts=dict(cohorts),
            config=self.model_dump(mode="json", exclude=_LOCAL),
        )

    def federation_plan(self) -> FederationPlan:
        """What the coordinator of a federated run receives; InputError for a ``start`` that cannot be used."""
        from cape_fed.release.start import load_start  # imports PyTorch

        return FederationPlan(
            pretraining=self.pretraining,
            federation=self.federation,
            evaluation=self.evaluation,
            provenance=self.provenance(FEDERATED, {}),
            resume=self.resume,
            privacy=self.privacy,
            start=load_start(self.start, self.encoder_config),
            other_code=self.other_code,
        )

    def saved(self) -> dict[str, Any]:
        """What ``config.yaml`` holds: plain values, and neither whether this was a resumption nor where it is shown."""
        return self.model_dump(mode="json", exclude={"resume", "other_code", "tracking"})


def flat_paths(sites: Sequence[SitePaths]) -> list[Path]:
    """The stores of all sites."""
    return [path for site in sites for path in site]
