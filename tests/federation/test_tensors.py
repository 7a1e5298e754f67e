"""Tensors keep their names, shapes and values on their way, and lose bits only where fewer are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flwr.app import RecordDict

from cape_fed.federation.config import Transport
from cape_fed.federation.tensors import (
    ENCODER,
    LAYOUT,
    VALUES,
    WIRE_TYPES,
    array_records,
    cut,
    encoder_records,
    euclidean_norm,
    layout_of,
    to_arrays,
    to_changes,
    update_records,
)
from cape_fed.federation.validation import read_tensors


def encoder(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"w": torch.randn(3, 2, 5, generator=generator), "bias": torch.randn(3, generator=generator)}


def test_whole_weights_arrive_as_they_were() -> None:
    sent = encoder(0)
    content = RecordDict(encoder_records(sent))
    assert set(content) == {ENCODER, LAYOUT}
    received = read_tensors(content, ENCODER, sent)
    assert all(np.array_equal(received[name], sent[name].numpy()) for name in sent)


def test_further_records_have_their_own_layout() -> None:
    sent = encoder(0)
    records = array_records("control", sent)
    assert set(records) == {"control", layout_of("control")}
    assert layout_of("control") != layout_of(ENCODER)
    received = read_tensors(RecordDict(records), "control", sent)
    assert all(np.array_equal(received[name], sent[name].numpy()) for name in sent)


@pytest.mark.parametrize(("transport", "error"), [("float32", 0.0), ("float16", 2**-11), ("bfloat16", 2**-8)])
def test_changes_are_off_by_no_more_than_half_a_bit(transport: Transport, error: float) -> None:
    before = encoder(0)
    after = {name: value + 0.01 * torch.randn(value.shape) for name, value in before.items()}
    content = RecordDict(update_records(after, before, transport))
    kind = WIRE_TYPES[transport]
    assert content.array_records[ENCODER][VALUES].numpy().dtype == kind
    changes = to_changes(read_tensors(content, ENCODER, before, kind), to_arrays(before), transport)
    for name, change in changes.items():
        exact = (after[name].double() - before[name].double()).numpy()
        # Differences in fewer bits are taken in float32 first.
        rounding = 0.0 if transport == "float32" else 1e-6
        assert np.abs(change - exact).max() <= error * np.abs(exact).max() + rounding


def test_float32_changes_give_the_sites_weights_again() -> None:
    before, after = encoder(0), encoder(1)
    content = RecordDict(update_records(after, before, "float32"))
    changes = to_changes(read_tensors(content, ENCODER, before), to_arrays(before), "float32")
    for name, change in changes.items():
        assert np.array_equal((before[name].numpy() + change).astype(np.float32), after[name].numpy())


def test_values_are_cut_in_the_order_of_names() -> None:
    parts = cut(np.arange(10.0), {"b": (2, 3), "a": (4,), "empty": (0,)})
    assert parts["a"].tolist() == [0, 1, 2, 3]
    assert parts["b"].tolist() == [[4, 5, 6], [7, 8, 9]]
    assert parts["empty"].shape == (0,)


def test_norm_is_that_of_one_vector() -> None:
    assert euclidean_norm({"a": np.array([3.0]), "b": np.array([[4.0, 12.0]])}) == 13.0
    assert euclidean_norm({}) == 0.0
