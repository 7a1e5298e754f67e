"""Encoder tensors on their way: packed into one array, whole in float32 or as differences in fewer bits.

One array and not one a tensor: Flower moves every array by requests of its own, over four hops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor

from cape_fed.federation.config import Transport

if TYPE_CHECKING:
    from flwr.app import ArrayRecord, ConfigRecord, MetricRecord

ENCODER, LAYOUT, VALUES = "encoder", "layout", "values"

Arrays = Mapping[str, NDArray[np.float32]]
Layout = TypeAdapter(dict[str, tuple[int, ...]])
"""Shape of each tensor by name; in the order of names the values follow one another."""

WIRE_TYPES: dict[Transport, str] = {"float32": "float32", "float16": "float16", "bfloat16": "int16"}
"""NumPy types on the wire; Flower has no bfloat16, whose bits travel as integers."""


def encoder_records(encoder: Mapping[str, Tensor]) -> dict[str, ArrayRecord | ConfigRecord | MetricRecord]:
    """Encoder tensors as records: values ``[P]`` and the layout by which they are cut."""
    return array_records(ENCODER, encoder)


def array_records(record: str, tensors: Mapping[str, Tensor]) -> dict[str, ArrayRecord | ConfigRecord | MetricRecord]:
    """Tensors under a record's name, in float32."""
    values = torch.cat([tensors[name].detach().cpu().float().flatten() for name in sorted(tensors)])
    return _records(tensors, values, record)


def layout_of(record: str) -> str:
    """Name of the record with the layout of ``record``."""
    return LAYOUT if record == ENCODER else f"{record}-{LAYOUT}"


def update_records(
    encoder: Mapping[str, Tensor], received: Mapping[str, Tensor], transport: Transport
) -> dict[str, ArrayRecord | ConfigRecord | MetricRecord]:
    """What a site sends back: its encoder in float32, or in fewer bits its difference from the one received."""
    if transport == "float32":
        return encoder_records(encoder)
    kind = torch.float16 if transport == "float16" else torch.bfloat16
    changes = [(encoder[name].detach().cpu() - received[name].detach().cpu()).flatten() for name in sorted(encoder)]
    values = torch.cat(changes).to(kind)
    return _records(encoder, values.view(torch.int16) if kind == torch.bfloat16 else values)


def cut(values: NDArray[np.generic], layout: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.generic]]:
    """Values ``[P]`` cut into arrays by name."""
    ends = np.cumsum([int(np.prod(layout[name])) for name in sorted(layout)])[:-1]
    parts = np.split(values, ends)
    return {name: part.reshape(layout[name]) for name, part in zip(sorted(layout), parts, strict=True)}


def to_changes(
    values: Mapping[str, NDArray[np.generic]], encoder: Arrays, transport: Transport
) -> dict[str, NDArray[np.float64]]:
    """By how much each tensor of a checked reply differs from ``encoder``, in float64."""
    return {name: _change(values[name], encoder[name], transport) for name in sorted(encoder)}


def _change(values: NDArray[np.generic], received: NDArray[np.float32], transport: Transport) -> NDArray[np.float64]:
    if transport == "float32":
        # Exact in float64, so that adding it to the encoder again gives the site's float32 weights.
        return values.astype(np.float64) - received
    if transport == "bfloat16":
        values = torch.from_numpy(values.copy()).view(torch.bfloat16).float().numpy()
    return values.astype(np.float64)


def to_arrays(encoder: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Tensors as NumPy arrays, in a fixed order."""
    return {name: encoder[name].detach().cpu().numpy() for name in sorted(encoder)}


def euclidean_norm(arrays: Mapping[str, NDArray[Any]]) -> float:
    """Euclidean norm of all arrays as one vector."""
    return float(np.sqrt(sum(float(np.square(value, dtype=np.float64).sum()) for value in arrays.values())))


def _records(
    tensors: Mapping[str, Tensor], values: Tensor, record: str = ENCODER
) -> dict[str, ArrayRecord | ConfigRecord | MetricRecord]:
    from flwr.app import Array, ArrayRecord  # not at the top: the settings of methods are read without Flower

    from cape_fed.federation.decoding import json_record

    layout = {name: tuple(tensors[name].shape) for name in sorted(tensors)}
    return {record: ArrayRecord({VALUES: Array(values.numpy())}), layout_of(record): json_record(layout, Layout)}
