"""Schema of a fine-tuning's ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from cape_fed.evaluate.cohorts import Role
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.results import BundleInfo, Estimate, ForeignInfo, Number
from cape_fed.evaluate.targets.registry import metrics_of
from cape_fed.finetune.config import FinetuneConfig, Mode

Scope = Literal["id", "ood", "worst"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FitFacts(_Part):
    """How one classifier was trained."""

    mode: Mode
    fraction: float
    repeat: int
    patients: int
    """Whose labels it was trained on."""
    records: int
    positives: dict[str, int]
    """Of these, patients with a yes, by yes-or-no task."""
    learning_rate: float | None
    """Chosen on the validation patients, as is the step; null where the linear layer was solved for."""
    step: int | None
    steps: int | None = None
    """Of how many that step was chosen; null where the linear layer was solved for."""
    penalties: dict[str, float | None] = {}
    """Chosen likewise for each task where the linear layer was solved for; null where its targets do not vary."""
    validation_score: Number
    """Mean AUROC or mean absolute error; null where the validation patients have none and the loss chose."""
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
    """A metric minus that of training from scratch, on the same labels and the same test patients."""

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
    """Name of the encoder."""
    bundle: BundleInfo
    foreign: ForeignInfo | None = None
    """Which encoder of somebody else's it is, in place of a bundle's."""
    seed: int
    tasks: list[str]
    cohorts: dict[str, TunedCohort]
    cells: list[FitFacts]
    scores: list[Score]
    gains: list[Gain]
    options: FinetuneConfig
    evaluation: EvaluateOptions

    @property
    def metrics(self) -> tuple[str, str]:
        """The first and the second metric: AUROC and AUPRC of labels, mean absolute error and R² of a regression."""
        return metrics_of(self.tasks[0])

    def score(
        self, mode: str, fraction: float, scope: str, task: str = "mean", metric: str | None = None
    ) -> Score | None:
        """One score, of the first metric unless another is named; None where there is no number."""
        return _find(self.scores, mode, fraction, scope, task, metric or self.metrics[0])

    def gain(
        self, mode: str, fraction: float, scope: str, task: str = "mean", metric: str | None = None
    ) -> Gain | None:
        """One difference from scratch, of the first metric unless another is named; None where there is no number."""
        return _find(self.gains, mode, fraction, scope, task, metric or self.metrics[0])


Found = TypeVar("Found", bound=Score)


def _find(entries: Sequence[Found], mode: str, fraction: float, scope: str, task: str, metric: str) -> Found | None:
    wanted = (mode, fraction, scope, task, metric)
    return next((e for e in entries if (e.mode, e.fraction, e.scope, e.task, e.metric) == wanted), None)
