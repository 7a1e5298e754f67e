"""Gradients of blocks in one pass are those of one pass a block, whatever the shape of a layer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cape_fed.privacy.batched import batched_gradients, is_batchable
from cape_fed.privacy.gradient import fast_gradients, find_gradients, loop_gradients
from tests.privacy.blocks import learner, model_of, recordings

BLOCKS, ROWS = 3, 4


def by_block(model: nn.Module, rows: Tensor) -> Tensor:
    """A loss of every block that is no sum over its rows."""
    made = model(rows).reshape(BLOCKS, ROWS, -1)
    return (made.std(dim=1).sum(dim=1) + made.mean(dim=(1, 2))).square()


def one_at_a_time(model: nn.Module, rows: Tensor) -> list[Tensor]:
    parameters = list(model.parameters())
    found = [
        torch.autograd.grad(by_block(model, rows)[block], parameters, retain_graph=True) for block in range(BLOCKS)
    ]
    return [torch.stack(column) for column in zip(*found, strict=True)]


def assert_equal(model: nn.Module, rows: Tensor) -> None:
    assert is_batchable(model)
    fast = batched_gradients(model, lambda: by_block(model, rows), list(model.parameters()))
    for one, other in zip(fast, one_at_a_time(model, rows), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()) + 1e-7)


@settings(max_examples=30, deadline=None)
@given(
    kernel=st.integers(1, 9),
    stride=st.integers(1, 5),
    padding=st.integers(0, 5),
    samples=st.integers(9, 40),
    bias=st.booleans(),
)
def test_a_convolution(kernel: int, stride: int, padding: int, samples: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(kernel + 10 * stride + 100 * padding)
    layer = nn.Conv1d(2, 3, kernel, stride=stride, padding=padding, bias=bias)
    assert_equal(layer, torch.randn(BLOCKS * ROWS, 2, samples, generator=generator))


def test_layers_after_one_another() -> None:
    model = nn.Sequential(
        nn.Conv1d(2, 6, 3, padding=1),
        nn.GroupNorm(2, 6),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    )
    assert_equal(model, torch.randn(BLOCKS * ROWS, 2, 20, generator=torch.Generator().manual_seed(0)))


class Branches(nn.Module):
    """Two layers read the recordings, and a third one what both make of them."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow, self.last = nn.Conv1d(2, 4, 5, padding=2), nn.Conv1d(2, 4, 1), nn.Conv1d(4, 3, 3)

    def forward(self, rows: Tensor) -> Tensor:
        made: Tensor = self.last(torch.relu(self.wide(rows)) + self.narrow(rows))
        return made


def test_layers_beside_one_another() -> None:
    assert_equal(Branches(), torch.randn(BLOCKS * ROWS, 2, 20, generator=torch.Generator().manual_seed(0)))


def test_a_convolution_in_bfloat16_is_summed_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    layer, rows = nn.Conv1d(2, 3, 7), torch.randn(BLOCKS * ROWS, 2, 400, generator=generator)
    exact = one_at_a_time(layer, rows)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = batched_gradients(layer, lambda: by_block(layer, rows).float(), list(layer.parameters()))[0]
    assert rounded.dtype == torch.float32
    assert float((rounded - exact).norm() / exact.norm()) < 0.02


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm1d(4), nn.Conv1d(4, 4, 3, dilation=2), nn.Conv1d(4, 4, 3, groups=2), nn.LSTM(4, 4)],
    ids=["batch norm", "dilated", "grouped", "recurrent"],
)
def test_other_layers_are_left_to_the_loop(layer: nn.Module) -> None:
    assert not is_batchable(nn.Sequential(nn.Conv1d(4, 4, 3), layer))


class Tied(nn.Linear):
    """Uses its weight a second time, in a way that no hook sees."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) @ self.weight.T


def test_an_encoder_with_ways_of_its_own_gets_the_gradients_of_the_loop() -> None:
    blocks = recordings(3, 2)
    plain = model_of(learner())
    assert find_gradients(plain, blocks) is fast_gradients
    twice = model_of(learner())
    stem = twice.encoder.stem
    assert isinstance(stem, nn.Conv1d)
    twice.head[1] = nn.Sequential(twice.head[1], nn.ReLU())
    twice.encoder.register_forward_hook(lambda module, given, made: made + stem.weight.sum())
    assert is_batchable(twice)
    assert find_gradients(twice, blocks) is loop_gradients
    tied = model_of(learner())
    tied.head[0] = Tied(160, 160)
    tied.head[2] = nn.Linear(160, 8)
    assert find_gradients(tied, blocks) is loop_gradients
