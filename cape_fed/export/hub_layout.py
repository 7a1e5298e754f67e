"""``--to hf``: the files that huggingface_hub's mixin reads, written without it."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file

from cape_fed.export.base import ExportFormat, Source

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class HubLayout(ExportFormat):
    """Configuration and weights for `cape_fed.export.hub.HubEncoder`, which prepares recordings itself."""

    name = "hf"
    prepares = False

    def write(self, source: Source, out: Path) -> None:
        """Write `CONFIG`, whose keys are the arguments of `HubEncoder`, and `WEIGHTS` by its names."""
        loaded = source.encoder
        config = {
            "encoder": loaded.encoder.config.model_dump(mode="json"),
            "profile": loaded.profile.model_dump(mode="json"),
            "provenance": loaded.provenance.saved(),
        }
        (out / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
        weights = {f"encoder.{name}": value.cpu().contiguous() for name, value in loaded.encoder.state_dict().items()}
        save_file(weights, out / WEIGHTS, {"format": "pt"})
