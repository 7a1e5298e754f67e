"""A learner's state on disk: tensors in safetensors, everything else in JSON, no pickle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cape_fed.errors import InputError
from cape_fed.files import atomic_directory
from cape_fed.pretrain.learner import Learner

TENSORS, FACTS = "state.safetensors", "state.json"
_OWN = "own."


def learner_tensors(learner: Learner) -> dict[str, Tensor]:
    """Encoder, head and optimiser state by name, on the CPU."""
    tensors = {f"encoder.{name}": value for name, value in learner.encoder.state_dict().items()}
    tensors |= {f"head.{name}": value for name, value in learner.head.state_dict().items()}
    for index, state in learner.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def load_learner_tensors(learner: Learner, tensors: Mapping[str, Tensor]) -> None:
    """Put a learner into the state `learner_tensors` gave; its encoder stays where the tensors have none."""
    if encoder := _under(tensors, "encoder."):
        learner.encoder.load_state_dict(encoder)
    learner.head.load_state_dict(_under(tensors, "head."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, "optimiser.").items():
        index, _, field = name.partition(".")
        state.setdefault(int(index), {})[field] = value
    groups = learner.optimiser.state_dict()["param_groups"]
    learner.optimiser.load_state_dict({"state": state, "param_groups": groups})


def save_state(
    path: Path,
    learner: Learner,
    facts: Mapping[str, Any],
    *,
    encoder: bool = True,
    own: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the state as a directory that appears whole or not at all; without the encoder where that comes anew.

    ``own`` are further tensors that belong to it.
    """
    tensors = learner_tensors(learner)
    kept = {name: value for name, value in tensors.items() if encoder or not name.startswith("encoder.")}
    kept |= {f"{_OWN}{name}": value.contiguous() for name, value in (own or {}).items()}
    with atomic_directory(path) as partial:
        save_file(kept, partial / TENSORS)
        (partial / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def load_state(path: Path, learner: Learner) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a state back into a learner of the same configuration; returns facts and further tensors of it."""
    try:
        tensors = load_file(path / TENSORS)
        load_learner_tensors(learner, tensors)
        facts: dict[str, Any] = json.loads((path / FACTS).read_text())
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"cannot resume from {path.name}: {error}; start again in a new directory") from error
    return facts, _under(tensors, _OWN)


def latest_checkpoint(directory: Path) -> Path | None:
    """The checkpoint with the highest step, None where there is none."""
    found = sorted(directory.glob("step-*")) if directory.is_dir() else []
    return found[-1] if found else None


def save_checkpoint(directory: Path, learner: Learner, step: int, facts: Mapping[str, Any], keep: int = 2) -> None:
    """Write the checkpoint of ``step``; the last ``keep`` stay."""
    save_state(directory / f"step-{step:08d}", learner, {"step": step, **facts})
    for old in sorted(directory.glob("step-*"))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
