"""Shapes and invariances of the encoder."""

from __future__ import annotations

import pytest
import torch

from cape_fed.pretrain.encoders import MODELS, build_encoder


@pytest.mark.parametrize("size", MODELS)
@pytest.mark.parametrize("samples", [600, 1000, 1001])
def test_embeds_any_length(size: str, samples: int) -> None:
    config = MODELS[size]  # type: ignore[index]
    if size == "large" and samples != 600:
        pytest.skip("one length is enough for the largest")
    encoder = build_encoder(config, 0)
    embedding = encoder(torch.randn(2, 12, samples))
    assert embedding.shape == (2, config.dim)
    assert torch.isfinite(embedding).all()


def test_base_has_pclr_shape() -> None:
    config = MODELS["base"]
    assert config.widths == (64, 128, 192, 256, 320)
    assert config.stride == 256
    assert config.dim == 320


def test_no_buffers_and_no_influence_of_the_batch() -> None:
    encoder = build_encoder(MODELS["tiny"], 0)
    assert list(encoder.buffers()) == []
    x = torch.randn(4, 12, 1000)
    together, alone = encoder(x), torch.cat([encoder(row[None]) for row in x])
    assert torch.allclose(together, alone, atol=1e-5)


def test_positions_in_the_padding_do_not_count() -> None:
    encoder = build_encoder(MODELS["tiny"], 0)
    x = torch.randn(1, 12, 1024)
    full = encoder(x, torch.tensor([1024]))
    assert torch.allclose(full, encoder(x), atol=1e-6)
    stride = MODELS["tiny"].stride
    features = {}

    def keep(module: object, inputs: object, output: torch.Tensor) -> None:
        features["last"] = output

    encoder.blocks[-1].register_forward_hook(keep)
    half = encoder(x, torch.tensor([512]))
    expected = features["last"][:, :, : 512 // stride].mean(dim=-1)
    assert torch.allclose(half, expected, atol=1e-5)


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = build_encoder(MODELS["tiny"], 3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    two, other = build_encoder(MODELS["tiny"], 3), build_encoder(MODELS["tiny"], 4)
    assert torch.equal(one.stem.weight, two.stem.weight)
    assert not torch.equal(one.stem.weight, other.stem.weight)
