"""Everyday changes are one new object and one registration: a toy of each, taken through a whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cape_fed.cli.main import run
from cape_fed.compose import compose_config
from cape_fed.config import RunConfig
from cape_fed.errors import InputError, RunError
from cape_fed.evaluate.targets.registry import targets_of, task_names
from cape_fed.export import registry as exports
from cape_fed.export.base import ExportFormat, Source
from cape_fed.federation.arithmetic import State
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.update import Update
from cape_fed.finetune.classifier import Classifier, parameter_groups
from cape_fed.jobs import pretrain_centrally
from cape_fed.methods import registry as methods
from cape_fed.methods.base import Method
from cape_fed.pretrain import encoders
from cape_fed.pretrain.encoder import Encoder, EncoderConfig
from cape_fed.progress import no_progress
from cape_fed.release.bundle import load_encoder
from cape_fed.section import Section
from cape_fed.seeds import derive_seed
from cape_fed.simulation import simulate_federation
from cape_fed.site import rules
from cape_fed.site.config import SiteConfig
from tests.conftest import TinyStore
from tests.export.helpers import write_tiny
from tests.federation.helpers import config_for, make_cohorts


class HalfOptions(Section):
    share: float = 0.5


class Half(Method[HalfOptions]):
    """FedAvg at half its pace."""

    name = "half"
    Options = HalfOptions

    def combine(self, number: int, encoder: Mapping[str, Tensor], updates: Sequence[Update]) -> State:
        return {name: self.options.share * c for name, c in super().combine(number, encoder, updates).items()}


class MeanConfig(EncoderConfig):
    architecture: Literal["mean"] = "mean"
    width: int = 8

    @property
    def dim(self) -> int:
        return self.width


class MeanEncoder(Encoder):
    """A linear map of each lead's mean and spread."""

    Config = MeanConfig
    config: MeanConfig

    def __init__(self, config: MeanConfig) -> None:
        super().__init__(config)
        self.map = nn.Linear(24, config.width)

    def forward(self, ecg: Tensor, valid: Tensor | None = None) -> Tensor:
        embedded: Tensor = self.map(torch.cat([ecg.mean(dim=-1), ecg.std(dim=-1)], dim=1))
        return embedded

    def layers(self) -> list[list[nn.Parameter]]:
        return [list(self.map.parameters())]


@pytest.fixture
def root(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> Path:
    make_cohorts(tiny_store, ["a", "b", "c", "d"], [16, 16, 16, 12])
    return tmp_path


def config(root: Path, out: str, **changes: object) -> RunConfig:
    federation = {"rounds": 1, "local_steps": 2, "evaluate": False, **changes}
    return config_for(root, out, federation=federation)


def test_a_method_is_a_class_and_its_registration(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"unknown federation\.strategy 'half'"):
        config(root, "early", strategy="half")
    monkeypatch.setitem(methods.METHODS, "half", Half)
    weights = {}
    for name, changes in (("fedavg", {}), ("half", {}), ("all", {"options": {"share": 1.0}})):
        run = config(root, name, strategy="fedavg" if name == "fedavg" else "half", **changes)
        simulate_federation(run, no_progress)
        weights[name] = load_file(run.out / "bundle" / "model.safetensors")
    start = encoders.build_encoder(run.pretraining.encoder_config, derive_seed(run.seed, "encoder")).state_dict()
    for name, value in weights["fedavg"].items():
        assert torch.allclose(weights["half"][name] - start[name], (value - start[name]) / 2, atol=1e-6), name
        assert torch.equal(weights["all"][name], value), name


def test_an_encoder_is_a_class_and_its_registration(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encoders.ARCHITECTURES, "mean", MeanEncoder)
    monkeypatch.setitem(encoders.MODELS, "mean", MeanConfig())
    run = compose_config(
        ["model=mean", "train.steps=2", "train.pairs=8", f"data.train=[{root}/a]", f"out={root}/run", "device=cpu"]
    )
    pretrain_centrally(run, no_progress)
    encoder = load_encoder(root / "run" / "bundle")
    assert isinstance(encoder.encoder, MeanEncoder)
    assert encoder.embed(np.random.default_rng(0).normal(0, 1, (12, 1000)), 100).shape == (8,)
    groups = parameter_groups(Classifier(encoder.encoder, 1), "decayed", 1.0, 0.5)
    assert [group["lr"] for group in groups] == [1.0, 0.5]


def test_a_bundle_of_an_architecture_that_is_not_there_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(encoders.ARCHITECTURES, "mean", MeanEncoder)
        patch.setitem(encoders.MODELS, "mean", MeanConfig())
        run = config_for(root, "run", model="mean", train={"pairs": 8, "steps": 1})
        pretrain_centrally(run, no_progress)
    with pytest.raises(InputError, match="not a bundle this version can read"):
        load_encoder(root / "run" / "bundle")


class Shapes(ExportFormat):
    """The names and shapes of the weights, for whoever writes a loader of their own."""

    name = "shapes"
    prepares = False

    def write(self, source: Source, out: Path) -> None:
        lines = (f"{name} {list(value.shape)}" for name, value in source.encoder.encoder.state_dict().items())
        (out / "shapes.txt").write_text("\n".join(lines))


def test_an_export_format_is_a_class_and_its_registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_tiny(tmp_path / "bundle")
    command = ["export", str(bundle), "--to", "shapes", "--out", str(tmp_path / "out")]
    assert run(command) == 2
    monkeypatch.setitem(exports.FORMATS, "shapes", Shapes())
    assert run(command) == 0
    assert "stem.weight [24, 12, 7]" in (tmp_path / "out" / "shapes.txt").read_text().splitlines()
    assert "shapes.txt" in (tmp_path / "out" / "SHA256SUMS").read_text()


def test_a_policy_rule_is_a_function_and_its_registration(root: Path) -> None:
    def never_a_second_round(asked: rules.Asked, site: SiteConfig) -> str | None:
        later = asked.request is not None and asked.request.round > 0
        return "one round is enough" if later and asked.action == "train" else None

    rule = (SiteFailure.POLICY, never_a_second_round)
    rules.RULES.append(rule)
    try:
        simulate_federation(config(root, "one"), no_progress)
        with pytest.raises(RunError, match="round 1 stayed below quorum"):
            simulate_federation(config(root, "two", rounds=2, round_deadline=5.0), no_progress)
    finally:
        rules.RULES.remove(rule)
    assert "does not do that by its own policy" in (root / "two" / "log.txt").read_text()


def test_targets_are_asked_for_by_their_registration(tiny_store: TinyStore) -> None:
    """A toy target goes through evaluation and fine-tuning in tests/finetune/test_run.py."""
    store = tiny_store("a")
    tasks = task_names([store])
    assert tasks[:2] == ["age", "sex"]
    assert targets_of(store, tasks).keys() == set(tasks)
