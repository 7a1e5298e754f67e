"""Encoders by name: a new architecture is one file and its lines in this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from cape_fed.errors import InputError
from cape_fed.pretrain.config import Norm
from cape_fed.pretrain.encoder import Encoder, EncoderConfig
from cape_fed.pretrain.initial import weights_from
from cape_fed.pretrain.resnet import ResNet, ResNetConfig

ARCHITECTURES: dict[str, type[Encoder]] = {"resnet": ResNet}
"""Architecture → class."""

MODELS: dict[str, EncoderConfig] = {
    # For 100 Hz on a CPU.
    "tiny": ResNetConfig(widths=(24, 40, 80, 160), kernel=7, stem_stride=2),
    # The weights of tiny at eight times its resolution in time, which takes twice the time on a CPU.
    "small": ResNetConfig(widths=(24, 40, 80, 160), kernel=7, stem_stride=2, block_stride=2),
    # Ribeiro et al. 2020 as used by PCLR (Diamant et al. 2022): 64 to 320 channels, four blocks each dividing by four.
    "base": ResNetConfig(widths=(64, 128, 192, 256, 320), kernel=17),
    "large": ResNetConfig(widths=(128, 256, 384, 512, 640), kernel=17),
}
"""What ``model=`` can be → the encoder's configuration."""


def encoder_config(model: str, norm: Norm = "group") -> EncoderConfig:
    """The configuration behind ``model=`` with the normalisation asked for; InputError names the known models."""
    return MODELS[check_model(model)].model_copy(update={"norm": norm})


def check_model(name: str) -> str:
    """Return ``name`` where it is a model; InputError names the known ones otherwise."""
    if name not in MODELS:
        raise InputError(f"unknown model '{name}': choose one of {', '.join(MODELS)}")
    return name


def build_encoder(config: EncoderConfig, seed: int = 0) -> Encoder:
    """An encoder with weights drawn from ``seed`` alone.

    Use it also where weights are loaded afterwards: an `Encoder` built without it draws from PyTorch's generator, which
    the thread of another site may just have seeded for weights of its own.
    """
    with weights_from(seed):
        return ARCHITECTURES[config.architecture](config)


def parse_encoder_config(value: Any) -> EncoderConfig:
    """The configuration that a bundle holds as JSON; ValueError for an architecture that is not registered.

    Bundles of the first version name no architecture: they hold a ResNet.
    """
    if isinstance(value, EncoderConfig):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("an encoder's configuration is a mapping")
    architecture = value.get("architecture", "resnet")
    if architecture not in ARCHITECTURES:
        raise ValueError(f"unknown architecture '{architecture}': known are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[architecture].Config.model_validate(value)


AnyEncoderConfig = Annotated[SerializeAsAny[EncoderConfig], BeforeValidator(parse_encoder_config)]
"""Field of a pydantic model that holds the configuration of any registered architecture."""
