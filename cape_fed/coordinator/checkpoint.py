"""The coordinator's state between rounds, on disk whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cape_fed.coordinator.standing import Standing
from cape_fed.errors import InputError
from cape_fed.federation.messages import CohortCounts
from cape_fed.files import atomic_directory
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.encoder import build_encoder, encoder_config
from cape_fed.pretrain.norm import is_statistic
from cape_fed.seeds import derive_seed
from cape_fed.signal.profile import Profile

ENCODER, OPTIMISER, BEST, FACTS = "encoder.safetensors", "optimiser.safetensors", "best.safetensors", "round.json"
KEEP = 2


class Facts(BaseModel):
    """What a checkpoint holds beside tensors."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[2] = 2
    run: str
    """Name of the run: sites keep their state under it."""
    rounds_done: int = 0
    profile: Profile | None = None
    """Preprocessing of every site."""
    cohorts: dict[str, CohortCounts] = {}
    """Cohorts of the training sites that have joined."""
    patients: dict[str, int] = {}
    """What each training site that has joined may weigh in patients: what a quorum of patients is a share of."""
    standing: Standing = Standing()
    best_score: float | None = None
    best_round: int | None = None
    """Rounds after which the encoder was best."""
    best_sites: list[str] = []
    best_tasks: list[str] = []
    """What the best score is over."""


@dataclass
class RunState:
    """All that the coordinator carries from one round to the next."""

    facts: Facts
    encoder: dict[str, Tensor]
    optimiser: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    """The encoder of the best round by validation, empty before the first evaluation."""

    def encoder_parameters(self) -> dict[str, Tensor]:
        """The encoder without BatchNorm's running statistics: what is learned."""
        return {name: value for name, value in self.encoder.items() if not is_statistic(name)}


def new_state(config: PretrainConfig) -> RunState:
    """The state before the first round: the weights that a central run with this seed begins from."""
    encoder = dict(build_encoder(encoder_config(config), derive_seed(config.seed, "encoder")).state_dict())
    return RunState(Facts(run=uuid4().hex[:12]), encoder)


def save_round(directory: Path, state: RunState) -> None:
    """Keep the state after a round; the last ones stay."""
    with atomic_directory(directory / f"round-{state.facts.rounds_done:06d}") as partial:
        for name, tensors in ((ENCODER, state.encoder), (OPTIMISER, state.optimiser), (BEST, state.best)):
            save_file(_contiguous(tensors), partial / name)
        (partial / FACTS).write_text(state.facts.model_dump_json(indent=1) + "\n")
    for old in sorted(directory.glob("round-*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)


def load_latest_round(directory: Path) -> RunState | None:
    """The state after the latest round that was kept; None where there is none."""
    found = sorted(directory.glob("round-*")) if directory.is_dir() else []
    if not found:
        return None
    try:
        facts = Facts.model_validate_json((found[-1] / FACTS).read_text())
        encoder, optimiser, best = (load_file(found[-1] / name) for name in (ENCODER, OPTIMISER, BEST))
    except (OSError, ValidationError, SafetensorError) as error:
        what = " ".join(str(error).split())[:120]
        raise InputError(f"cannot read checkpoint {found[-1]}: {what}; start again in a new directory") from error
    return RunState(facts, encoder, optimiser, best)


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
