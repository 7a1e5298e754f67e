"""Projection heads are found where runs leave them, and project as in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from cape_fed.jobs import pretrain_centrally
from cape_fed.pretrain.heads import load_heads, project
from cape_fed.rundir import RunDirectory
from cape_fed.simulation import simulate_federation
from tests.conftest import TinyStore
from tests.federation.helpers import config_for, make_cohorts


def test_heads_of_both_kinds_of_run(tiny_store: TinyStore, tmp_path: Path) -> None:
    make_cohorts(tiny_store, ["a", "b", "c", "d"], [16, 24, 32, 12])
    central = config_for(tmp_path, "central", train={"pairs": 8, "steps": 2})
    pretrain_centrally(central, lambda done, total, line: None)
    federated = config_for(tmp_path, "federated", federation={"rounds": 1, "local_steps": 1, "evaluate": False})
    simulate_federation(federated, lambda done, total, line: None)
    assert list(load_heads(RunDirectory(central.out))) == ["central"]
    heads = load_heads(RunDirectory(federated.out))
    assert list(heads) == ["a", "b+c"]
    assert not torch.equal(heads["a"][0].weight, heads["b+c"][0].weight)
    assert load_heads(RunDirectory(tmp_path / "nothing")) == {}
    x = np.random.default_rng(0).normal(size=(5, 160)).astype(np.float32)
    expected = normalize(heads["a"](torch.from_numpy(x)), dim=1).detach().numpy()
    assert np.allclose(project(heads["a"], x), expected)
