"""What all fits of a fine-tuning have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.results import ForeignInfo
from cape_fed.finetune.config import FinetuneConfig
from cape_fed.finetune.labelled import Labelled, Part, labelled
from cape_fed.pretrain.config import AugmentConfig
from cape_fed.pretrain.encoder import EncoderConfig
from cape_fed.release.pretrained import PretrainedEncoder


@dataclass(frozen=True)
class FinetuneSettings:
    """The sections of the configuration that decide what comes out."""

    finetune: FinetuneConfig
    evaluation: EvaluateOptions
    augment: AugmentConfig
    """How views of the labelled recordings are changed, as in pretraining."""
    precision: Literal["float32", "bfloat16"]
    seed: int


@dataclass(frozen=True)
class FinetuneSetup:
    """An encoder, the cohorts with their splits, and the settings."""

    encoder: PretrainedEncoder
    method: str
    """Name of the encoder in results."""
    cohorts: Sequence[EvaluatedCohort]
    """Those whose labels are learnt (ID) and those that are only tested (OOD)."""
    tasks: Sequence[str]
    settings: FinetuneSettings
    device: torch.device
    scratch: EncoderConfig
    """What is trained from random weights, to compare with: the encoder's own shape where that is known."""
    foreign: ForeignInfo | None = None
    """Which encoder of somebody else's it is."""

    @cached_property
    def train(self) -> Labelled:
        """The train records of the ID cohorts."""
        return self._part("train")

    @cached_property
    def valid(self) -> Labelled:
        """The validation records of the ID cohorts."""
        return self._part("valid")

    @property
    def learnt(self) -> list[EvaluatedCohort]:
        """The ID cohorts."""
        return [cohort for cohort in self.cohorts if cohort.role == "id"]

    def _part(self, name: Part) -> Labelled:
        return labelled(self.learnt, name, self.tasks)
