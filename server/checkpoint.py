"""The coordinator's state between rounds, on disk whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cape_fed.errors import InputError
from cape_fed.files import atomic_directory
from cape_fed.pretrain.config import EncoderSize
from cape_fed.pretrain.encoder import SIZES, build_encoder
from cape_fed.seeds import derive_seed

ARRAYS, FACTS = "encoder.safetensors", "round.json"
KEEP = 2


def save_round(directory: Path, run: str, done: int, encoder: Mapping[str, Tensor]) -> None:
    """Keep the encoder after ``done`` rounds of the run called ``run``."""
    with atomic_directory(directory / f"round-{done:06d}") as partial:
        save_file({name: value.contiguous() for name, value in encoder.items()}, partial / ARRAYS)
        (partial / FACTS).write_text(json.dumps({"run": run, "rounds_done": done}) + "\n")
    for old in sorted(directory.glob("round-*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)


def load_latest_round(directory: Path) -> tuple[str, int, dict[str, Tensor]] | None:
    """Run name, rounds done and encoder of the latest checkpoint; None where there is none."""
    found = sorted(directory.glob("round-*")) if directory.is_dir() else []
    if not found:
        return None
    try:
        facts = json.loads((found[-1] / FACTS).read_text())
        return str(facts["run"]), int(facts["rounds_done"]), load_file(found[-1] / ARRAYS)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(f"cannot read checkpoint {found[-1]}: {error}; start again in a new directory") from error


def initial_encoder(model: EncoderSize, seed: int) -> dict[str, Tensor]:
    """The encoder before the first round: the same weights a central run with this seed begins from."""
    return dict(build_encoder(SIZES[model], derive_seed(seed, "encoder")).state_dict())
