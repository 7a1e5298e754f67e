"""Arrays and JSON out of records that anyone may have written: exactly what was expected, or a ValueError."""

from __future__ import annotations

import math
from collections.abc import Mapping
from io import BytesIO
from typing import Any, TypeVar

import numpy as np
from flwr.app import Array, ConfigRecord, RecordDict
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

JSON = "json"
"""Key of the string in a record that holds JSON."""
LARGEST = 1e30
"""Largest size of a number in sums: products of two, and sums of these over sites, stay finite."""
_LONGEST = 1 << 22
"""Characters of JSON in a record."""

T = TypeVar("T")


class Part(BaseModel):
    """Base of what is read from JSON: nothing is converted, nothing unknown is passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def json_record(value: T, kind: TypeAdapter[T]) -> ConfigRecord:
    """A value as a record of JSON."""
    return ConfigRecord({JSON: kind.dump_json(value).decode()})


def read_json(content: RecordDict, name: str, kind: TypeAdapter[T]) -> T:
    """What a record of JSON holds; ValueError where it is missing or holds something else."""
    record = content.config_records.get(name)
    text = record.get(JSON) if record is not None and len(record) == 1 else None
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise ValueError(f"{name}: not a record of JSON")
    try:
        return kind.validate_json(text, strict=True)
    except ValidationError as error:
        # The place in the JSON could be a text of the sender's.
        raise ValueError(f"{name}: {error.errors(include_input=False)[0]['type']}") from None


def read_arrays(
    content: RecordDict, name: str, shapes: Mapping[str, tuple[int, ...]], largest: float = LARGEST
) -> dict[str, NDArray[np.float64]]:
    """The float64 arrays of a record; ValueError unless it holds these, of these shapes, up to ``largest`` in size."""
    record = content.array_records.get(name)
    if record is None or set(record) != set(shapes):
        raise ValueError(f"{name}: not a record of {', '.join(shapes)}")
    return {key: _read_numbers(record[key], shape, largest, f"{name}: {key}") for key, shape in shapes.items()}


def read_array(array: Array, shape: tuple[int, ...], kind: str, where: str) -> NDArray[Any]:
    """The values of an array; ValueError, led by ``where``, unless it is of this shape and NumPy type."""
    try:
        stream = BytesIO(array.data)
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0(stream)
    # A header is parsed as Python's literals, which fail on hostile ones in many ways.
    except Exception:
        raise ValueError(f"{where} is not an array") from None
    dtype = np.dtype(kind)
    if version != (1, 0) or header != (shape, False, dtype):
        raise ValueError(f"{where} has another shape or type")
    body = array.data[stream.tell() :]
    # NumPy would make room for the shape before it looks whether there is as much to read.
    if len(body) != dtype.itemsize * math.prod(shape):
        raise ValueError(f"{where} is longer or shorter than its shape")
    return np.frombuffer(body, dtype).reshape(shape)


def _read_numbers(array: Array, shape: tuple[int, ...], largest: float, where: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = read_array(array, shape, "<f8", where).astype(np.float64)
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) > largest:
        raise ValueError(f"{where} is not finite or too large")
    return values
