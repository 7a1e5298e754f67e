"""Small federations for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cape_fed.config import RunConfig
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals

BASE = {
    "model": "tiny",
    "train": {"pairs": 8, "learning_rate": 5e-4},
    "federation": {"rounds": 3, "local_steps": 2},
    "evaluation": {"min_patients": 2},  # so that sites of a dozen patients have monitors
}


def make_cohorts(tiny_store: TinyStore, names: Sequence[str], patients: Sequence[int]) -> None:
    """One store a name, with patients that can be told apart; sizes differ, so that weights matter."""
    for index, (name, count) in enumerate(zip(names, patients, strict=True)):
        signals, owner = patient_signals(patients=count, seed=index)
        tiny_store(name, signals=signals, patient=[f"{name}{patient}" for patient in owner])


def config_for(root: Path, out: str, **changes: Any) -> RunConfig:
    """Sites a and b+c train, d evaluates."""
    data = {"train": [root / "a", [root / "b", root / "c"]], "evaluate": [root / "d"]}
    return RunConfig.model_validate({**BASE, "data": data, "out": root / out, **changes})
