"""Two small cohorts in which AF can be seen, and a bundle that was trained on neither."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cape_fed.compose import compose_config
from cape_fed.config import RunConfig
from cape_fed.finetune.setup import FinetuneSettings
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.pretrain.resnet import ResNetConfig
from cape_fed.release.bundle import write_bundle
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import get_profile
from cape_fed.store.store import Store
from tests.conftest import TinyStore

PATIENTS = 60
QUICK = [
    "finetune.steps=6", "finetune.batch=8", "finetune.check_every=3", "finetune.learning_rates=[0.01]",
    "finetune.repeats=1", "finetune.modes=[full]", "finetune.fractions=[0.5,1.0]", "evaluation.resamples=20",
    "evaluation.min_patients=2", "device=cpu",
]  # fmt: skip

SMALL = ResNetConfig(widths=(8, 12, 16), kernel=5, stem_stride=4, groups=4)
"""An encoder that trains in no time."""

Configure = Callable[..., RunConfig]
MakeLabelled = Callable[..., Store]


def ecgs(sick: np.ndarray, seed: int) -> np.ndarray:
    """int16 ``[n, 12, 1000]``: a slow wave for all, and a quick one on top of it for the sick."""
    rng = np.random.default_rng(seed)
    time = np.arange(1000) / 100
    slow, quick = (np.sin(2 * np.pi * hz * time) for hz in (1.2, 7.0))
    shape = rng.normal(0, 1, (len(sick), 12, 1))
    signal = shape * slow + 1.5 * sick[:, None, None] * shape * quick + rng.normal(0, 0.3, (len(sick), 12, 1000))
    return (300 * signal).astype(np.int16)


@pytest.fixture
def make_labelled(tiny_store: TinyStore) -> MakeLabelled:
    """Factory of cohorts of `PATIENTS` patients with two records each; ``columns`` replace what is drawn."""

    def make(name: str, seed: int = 0, **columns: object) -> Store:
        rng = np.random.default_rng(seed)
        owner = rng.permutation(np.repeat(np.arange(PATIENTS), 2))
        sick = (np.arange(PATIENTS) % 2 == 0)[owner]
        lvh = [None if rng.random() < 0.3 else bool(rng.random() < 0.5) for _ in owner]
        sex = np.array(["F", "M"], object)[rng.integers(0, 2, PATIENTS)][owner]
        patient = [f"{name}{p:03d}" for p in owner]
        drawn = {"signals": ecgs(sick, seed), "patient": patient, "sex": sex, "AF": sick, "LVH": lvh}
        return tiny_store(name, **(drawn | columns))

    return make


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "bundle"
    write_bundle(path, build_encoder(SMALL, 0), get_profile("compact100"), Provenance(method="test"))
    return path


def settings_of(config: RunConfig) -> FinetuneSettings:
    """The sections of a configuration that a fit gets."""
    return FinetuneSettings(config.finetune, config.evaluation, config.augment, config.precision, config.seed)


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """From overrides to a configuration of a quick fine-tuning on cohort ``a`` into ``tmp_path/out``."""

    def compose(*overrides: str, out: str = "out") -> RunConfig:
        return compose_config([*QUICK, f"data.train=[{tmp_path}/a]", *overrides, f"out={tmp_path}/{out}"])

    return compose
