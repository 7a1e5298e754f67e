"""Normalisation layers: which tensors are theirs, and BatchNorm against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.pretrain.norm import BatchNorm, is_statistic, norm_tensors

BATCH = PretrainConfig(model="tiny", norm="batch").encoder_config


def test_batch_norm_is_pytorchs_own_without_the_count() -> None:
    torch.manual_seed(0)
    ours, theirs = BatchNorm(5), nn.BatchNorm1d(5)
    for _ in range(4):
        x = 3 + 2 * torch.randn(7, 5, 11)
        assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    assert torch.allclose(ours.running_mean, theirs.running_mean)
    assert torch.allclose(ours.running_var, theirs.running_var)
    x = torch.randn(3, 5, 11)
    assert torch.allclose(ours.eval()(x), theirs.eval()(x), atol=1e-6)
    assert all(value.dtype == torch.float32 for value in ours.state_dict().values())


def test_in_evaluation_the_batch_has_no_say() -> None:
    encoder = build_encoder(BATCH, 0).eval()
    x = torch.randn(4, 12, 1000)
    assert torch.allclose(encoder(x), torch.cat([encoder(row[None]) for row in x]), atol=1e-5)
    encoder.train()
    assert not torch.allclose(encoder(x), torch.cat([encoder(row[None]) for row in x]), atol=1e-2)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_the_tensors_of_normalisation_layers(norm: str) -> None:
    encoder = build_encoder(PretrainConfig(model="tiny", norm=norm).encoder_config, 0)  # type: ignore[arg-type]
    names = norm_tensors(encoder)
    layers = 1 + 2 * (len(MODELS["tiny"].widths) - 1)
    assert len(names) == layers * (4 if norm == "batch" else 2)
    assert all("norm" in name for name in names)
    assert not any("norm" in name for name in encoder.state_dict().keys() - names)
    buffers = {name for name, _ in encoder.named_buffers()}
    assert {name for name in encoder.state_dict() if is_statistic(name)} == buffers


def test_both_kinds_begin_from_the_same_weights() -> None:
    group, batch = build_encoder(MODELS["tiny"], 0).state_dict(), build_encoder(BATCH, 0).state_dict()
    assert group.keys() < batch.keys()
    assert all(torch.equal(group[name], batch[name]) for name in group)
