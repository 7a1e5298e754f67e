"""Everything that decides the outcome of a pretraining run, checked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from cape_fed.pretrain.stages.batching import check_kind
from cape_fed.pretrain.stages.pairs import Positives
from cape_fed.section import Section

if TYPE_CHECKING:
    from cape_fed.pretrain.encoder import EncoderConfig

Norm = Literal["group", "batch"]


class AugmentConfig(Section):
    """How strongly each view is changed; 0 (1 for ``crop``) turns an operation off."""

    crop: float = Field(default=0.6, gt=0, le=1, description="length of the random crop as a share of the window")
    time_mask: float = Field(default=0.1, ge=0, lt=1, description="longest masked stretch as a share of the crop")
    gain: float = Field(default=0.1, ge=0, description="standard deviation of the log gain of a view")
    noise_mv: float = Field(default=0.02, ge=0, description="largest standard deviation of white noise, mV")
    wander_mv: float = Field(default=0.1, ge=0, description="largest amplitude of baseline wander, mV")
    mains_mv: float = Field(
        default=0.02, ge=0, description="largest amplitude of mains hum, mV, where the rate shows it"
    )
    lead_mask: float = Field(default=0.1, ge=0, lt=1, description="probability that a lead is masked")


class ObjectiveConfig(Section):
    """NT-Xent and its projection head."""

    temperature: float = Field(default=0.1, gt=0, description="temperature of the softmax over candidates")
    foreign: Literal["negatives", "masked"] = Field(
        default="negatives",
        description="what records of other cohorts in a batch are to a record: negatives, or masked: nothing",
    )
    foreign_temperature: float | None = Field(
        default=None, gt=0, description="temperature of negatives from other cohorts, if it is another one"
    )
    hidden: int = Field(default=256, gt=0, description="width of the head's hidden layer")
    projection: int = Field(default=128, gt=0, description="dimensions in which pairs are contrasted")

    @model_validator(mode="after")
    def _masked_has_no_temperature(self) -> Self:
        if self.foreign == "masked" and self.foreign_temperature is not None:
            raise ValueError("foreign=masked leaves no negatives for foreign_temperature: set one of them")
        return self


class TrainConfig(Section):
    """The optimisation."""

    steps: int = Field(default=1000, gt=0, description="optimiser steps of a central run")
    pairs: int = Field(default=96, gt=1, description="pairs a batch, over all processes")
    optimiser: Literal["adamw", "sgd"] = Field(default="adamw", description="adamw or sgd")
    learning_rate: float = Field(default=1e-3, gt=0, description="highest learning rate of the schedule")
    weight_decay: float = Field(default=1e-4, ge=0, description="weight decay of the optimiser")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the run in which the rate rises")
    schedule: Literal["cosine", "constant"] = Field(default="cosine", description="cosine or constant")
    clip_norm: float | None = Field(default=None, gt=0, description="bound on a step's gradient norm")
    monitor_every: int = Field(default=100, gt=0, description="steps between monitors")
    checkpoint_every: int = Field(default=500, gt=0, description="steps between checkpoints")


class SplitConfig(Section):
    """How each cohort's patients are divided; what is left over trains."""

    seed: int = Field(default=0, description="from which the split of every cohort is drawn")
    valid: float = Field(default=0.1, ge=0, lt=1, description="share of the patients that validate")
    test: float = Field(default=0.2, ge=0, lt=1, description="share of the patients that test")

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Self:
        if self.valid + self.test >= 1:
            raise ValueError("valid and test leave nobody to train on: make them smaller")
        return self

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Shares of train, valid and test patients."""
        return 1 - self.valid - self.test, self.valid, self.test


class PretrainConfig(Section):
    """What a learner needs, central or at a site."""

    seed: int = Field(default=0, description="from which everything random in training is drawn")
    split: SplitConfig = SplitConfig()
    batching: str = Field(default="idb", description="idb, random or idb+cross:p")
    positives: Positives = Field(
        default="both", description="patient: another record, so patients with several; augmentation: the same record"
    )
    model: str = Field(default="tiny", description="the encoder: tiny, small, base or large")
    norm: Norm = Field(default="group", description="layers of the encoder; batch: statistics over the batch")
    objective: ObjectiveConfig = ObjectiveConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="float32 or bfloat16")

    _known_batching = field_validator("batching")(check_kind)

    @field_validator("model")
    @classmethod
    def _known_model(cls, model: str) -> str:
        from cape_fed.pretrain.encoders import check_model  # imports PyTorch

        return check_model(model)

    @property
    def encoder_config(self) -> EncoderConfig:
        """The shape of the encoder that is trained."""
        from cape_fed.pretrain.encoders import encoder_config  # imports PyTorch

        return encoder_config(self.model, self.norm)
