"""Schema of a fine-tuning's ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.results import BundleInfo, Estimate, Number
from cape_fed.finetune.config import FinetuneConfig, Mode

Scope = Literal["id", "ood", "worst"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CellFacts(_Part):
    """How one classifier was trained."""

    mode: Mode
    fraction: float
    repeat: int
    patients: int
    """Whose labels it was trained on."""
    records: int
    positives: dict[str, int]
    """Of these, patients with a yes, by task."""
    learning_rate: float
    """Chosen on the validation patients, as is the step."""
    step: int
    validation_auroc: Number
    """Null where no task has both classes among the validation patients: the loss chose."""
    validation_loss: float
    seconds: float


class Score(Estimate):
    """A metric of one mode with one share of the labels, mean over the repeats."""

    mode: Mode
    fraction: float
    task: str
    """A task, or ``mean`` over all that have a number."""
    scope: Scope
    repeats: list[Number]
    """Of each repeat by itself."""


class Gain(Score):
    """The same minus training from scratch on the same labels, on the same test patients."""

    p: float | None
    """Two-sided, not corrected for the number of comparisons."""


class TunedCohort(_Part):
    """One cohort: learnt from (ID) or only tested (OOD)."""

    role: Role
    records: int
    patients: int
    train: int
    """Patients; 0 where it is only tested."""
    valid: int
    test: int
    split: str
    """How its patients were divided, in words."""


class FinetuneResults(_Part):
    """``results.json``."""

    format: Literal[1] = 1
    method: str
    """Of the encoder."""
    bundle: BundleInfo
    seed: int
    tasks: list[str]
    cohorts: dict[str, TunedCohort]
    cells: list[CellFacts]
    scores: list[Score]
    gains: list[Gain]
    options: FinetuneConfig
    evaluation: EvaluateOptions

    def score(self, mode: str, fraction: float, scope: str, task: str = "mean", metric: str = "auroc") -> Score | None:
        """One score, None where there is no number."""
        return _find(self.scores, mode, fraction, scope, task, metric)

    def gain(self, mode: str, fraction: float, scope: str, task: str = "mean", metric: str = "auroc") -> Gain | None:
        """One gain, None where there is no number."""
        return _find(self.gains, mode, fraction, scope, task, metric)


Found = TypeVar("Found", bound=Score)


def _find(entries: Sequence[Found], mode: str, fraction: float, scope: str, task: str, metric: str) -> Found | None:
    wanted = (mode, fraction, scope, task, metric)
    return next((e for e in entries if (e.mode, e.fraction, e.scope, e.task, e.metric) == wanted), None)
