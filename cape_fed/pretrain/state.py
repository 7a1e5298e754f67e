"""A learner's state on disk: tensors in safetensors, everything else in JSON, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cape_fed.checkpoints import Checkpoints
from cape_fed.errors import InputError
from cape_fed.files import atomic_directory
from cape_fed.pretrain.learner import Learner

TENSORS, FACTS = "state.safetensors", "state.json"
_KEPT = "own."
"""Prefix of the tensors that a federated method keeps at the site."""


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
    kept: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the state as a directory that appears whole or not at all.

    ``encoder`` is false where the encoder will be received anew. ``kept`` are tensors that a federated method keeps.
    """
    tensors = learner_tensors(learner)
    saved = {name: value for name, value in tensors.items() if encoder or not name.startswith("encoder.")}
    saved |= {f"{_KEPT}{name}": value.contiguous() for name, value in (kept or {}).items()}
    with atomic_directory(path) as partial:
        save_file(saved, partial / TENSORS)
        (partial / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def load_state(path: Path, learner: Learner) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a state back into a learner of its configuration; returns its facts and what a federated method keeps.

    InputError where it is damaged: the learner is then in no usable state until another one is loaded.
    """
    try:
        tensors = load_file(path / TENSORS)
        load_learner_tensors(learner, tensors)
        facts: dict[str, Any] = json.loads((path / FACTS).read_text())
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"cannot resume from {path.name}: {error}; start again in a new directory") from error
    return facts, _under(tensors, _KEPT)


def save_checkpoint(steps: Checkpoints, learner: Learner, step: int, facts: Mapping[str, Any]) -> None:
    """Write the checkpoint after ``step`` steps; the newest ones stay."""
    save_state(steps.path(step), learner, {"step": step, **facts})
    steps.keep_newest()


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
