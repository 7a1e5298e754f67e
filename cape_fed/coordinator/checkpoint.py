"""The coordinator's state between rounds, on disk whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cape_fed.checkpoints import run_rounds
from cape_fed.coordinator.standing import Standing
from cape_fed.errors import InputError, VersionError
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.pretrain.norm import is_statistic
from cape_fed.release.provenance import Participation
from cape_fed.seeds import derive_seed
from cape_fed.signal.profile import Profile
from cape_fed.store.counts import CohortCounts

FORMAT: Literal[3] = 3
ENCODER, METHOD, BEST, FACTS = "encoder.safetensors", "optimiser.safetensors", "best.safetensors", "round.json"


class Facts(BaseModel):
    """What a checkpoint holds in addition to tensors."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[2, 3] = FORMAT
    """Format 2 did not say which code led the run."""
    led_by: str | None = None
    """What led the run last, see `computing_code`."""
    run: str
    """Name of the run: sites keep their state under it."""
    rounds_done: int = 0
    profile: Profile | None = None
    """Preprocessing of every site."""
    cohorts: dict[str, CohortCounts] = {}
    """Cohorts of the training sites that have joined, as SITE/COHORT."""
    patients: dict[str, int] = {}
    """What each training site that has joined may weigh in patients: what a quorum of patients is a share of."""
    standing: Standing = Standing()
    participation: dict[str, Participation] = {}
    """What each training site that has joined gave so far."""
    code: dict[str, int] = {}
    """Hashes of the apps that led the run, each with the round from which on it did."""
    dimensions: int | None = None
    """Over how many dimensions sites sum towards transfer probes, once an evaluation was asked for."""
    spending: dict[str, dict[str, float]] = {}
    """What a private run has cost the patients of each training site, in the numbers that it told last."""
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
    method: dict[str, Tensor] = field(default_factory=dict)
    """What the federated method keeps at the coordinator."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """The encoder of the best round by validation, empty before the first evaluation."""

    def encoder_parameters(self) -> dict[str, Tensor]:
        """The encoder without BatchNorm's running statistics: what is learned."""
        return {name: value for name, value in self.encoder.items() if not is_statistic(name)}


def new_state(config: PretrainConfig, start: Mapping[str, Tensor] | None = None) -> RunState:
    """The state before the first round: ``start``, or the weights that a central run with this seed begins from."""
    encoder = dict(start or build_encoder(config.encoder_config, derive_seed(config.seed, "encoder")).state_dict())
    return RunState(Facts(run=uuid4().hex[:12]), encoder)


def save_round(directory: Path, state: RunState) -> int:
    """Keep the state after a round; returns the number of the earliest round that can still be gone back to."""
    rounds = run_rounds(directory)
    with rounds.write(state.facts.rounds_done) as partial:
        for name, tensors in ((ENCODER, state.encoder), (METHOD, state.method), (BEST, state.best)):
            save_file(_contiguous(tensors), partial / name)
        (partial / FACTS).write_text(state.facts.model_dump_json(indent=1) + "\n")
    rounds.keep_newest()
    return rounds.numbers()[0]


def load_latest_round(directory: Path) -> RunState | None:
    """The state after the latest round that can be read; None where none was kept, InputError where all are damaged."""
    found = run_rounds(directory).read_newest(_load_round)
    return found[1] if found else None


def _load_round(path: Path) -> RunState:
    try:
        text = (path / FACTS).read_text()
        _require_known_format(path, json.loads(text))
        facts = Facts.model_validate_json(text)
        encoder, method, best = (load_file(path / name) for name in (ENCODER, METHOD, BEST))
    except (OSError, ValueError, SafetensorError) as error:
        what = " ".join(str(error).split())[:120]
        raise InputError(f"cannot read checkpoint {path}: {what}; start again in a new directory") from error
    return RunState(facts, encoder, method, best)


def _require_known_format(path: Path, facts: Any) -> None:
    """VersionError where a later version of this project wrote a checkpoint."""
    found = facts.get("format") if isinstance(facts, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise VersionError(
            f"checkpoint {path} has format {found}, and this version of cape-fed reads none later than {FORMAT}: "
            "go on with the version that led the run last"
        )


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
