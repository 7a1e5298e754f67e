"""FedProx's term in a learner equals the gradient of the penalty written out."""

from __future__ import annotations

from pathlib import Path

import torch

from cape_fed.pretrain.cohorts import open_cohorts
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.workbench import Workbench
from tests.conftest import TinyStore

CPU = torch.device("cpu")
SGD = {"pairs": 8, "optimiser": "sgd", "learning_rate": 0.01, "weight_decay": 0.0, "schedule": "constant"}


def bench(tiny_store: TinyStore, tmp_path: Path) -> Workbench:
    config = PretrainConfig.model_validate({"model": "tiny", "train": {**SGD, "warmup": 0.0}})
    if not (tmp_path / "a").exists():
        tiny_store("a", patients=24)
    return Workbench(config, "a", open_cohorts([tmp_path / "a"], config.split, tmp_path / "splits"), 4, CPU)


def test_a_step_follows_the_loss_and_the_pull(tiny_store: TinyStore, tmp_path: Path) -> None:
    held, plain = bench(tiny_store, tmp_path), bench(tiny_store, tmp_path)
    anchor = {name: value + 0.1 for name, value in held.learner.encoder.state_dict().items()}
    before = {name: value.clone() for name, value in held.learner.encoder.state_dict().items()}
    held.learner.hold_to(anchor, 0.5)
    for one in (held, plain):
        list(one.train(0, 1))
    after, without = held.learner.encoder.state_dict(), plain.learner.encoder.state_dict()
    for name, value in before.items():
        pull = -0.01 * 0.5 * (value - anchor[name])
        assert torch.allclose(after[name], without[name] + pull, atol=1e-6), name


def test_no_strength_changes_nothing(tiny_store: TinyStore, tmp_path: Path) -> None:
    held, plain = bench(tiny_store, tmp_path), bench(tiny_store, tmp_path)
    held.learner.hold_to(held.learner.encoder.state_dict(), 0.0)
    for one in (held, plain):
        list(one.train(0, 2))
    one, two = held.learner.encoder.state_dict(), plain.learner.encoder.state_dict()
    assert all(torch.equal(value, two[name]) for name, value in one.items())
