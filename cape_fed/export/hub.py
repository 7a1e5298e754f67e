"""An encoder that loads through huggingface_hub's mixin: ``HubEncoder.from_pretrained(DIRECTORY)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from cape_fed.extras import require
from cape_fed.pretrain.encoders import build_encoder, parse_encoder_config
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import ARITHMETIC, Profile, check_arithmetic

require("hf", "huggingface_hub", "HubEncoder")
from huggingface_hub import PyTorchModelHubMixin  # noqa: E402


class HubEncoder(nn.Module, PyTorchModelHubMixin):
    """An encoder in the layout that ``cape-fed export --to hf`` writes.

    ``from_pretrained`` reads a directory without asking the hub. It checks less than `load_encoder` does: use the
    bundle where you have it. VersionError where it was trained with another version of profile arithmetic.
    """

    def __init__(self, encoder: Mapping[str, Any], profile: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        super().__init__()
        check_arithmetic(profile.get("version", ARITHMETIC), "this encoder")
        self.encoder = build_encoder(parse_encoder_config(encoder))
        self.profile = Profile.model_validate(profile)
        self.provenance = Provenance.model_validate(provenance)

    def forward(self, ecg_mv: Tensor) -> Tensor:
        """Embed prepared recordings ``[B, 12, T]`` in mV, of one length: ``[B, dim]``."""
        embedded: Tensor = self.encoder(ecg_mv)
        return embedded

    def pretrained(self) -> PretrainedEncoder:
        """The same encoder with its preprocessing: `PretrainedEncoder.embed`."""
        return PretrainedEncoder(self.encoder, self.profile, self.provenance)
