"""Tensors of the Open Inference Protocol as arrays, and every way in which they may not fit."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.serving.frame import FRAME
from cape_fed.serving.refusal import invalid

NUMBERS = {
    "FP32": ("<f4", "fp32_contents"),
    "FP64": ("<f8", "fp64_contents"),
    "INT32": ("<i4", "int_contents"),
    "INT64": ("<i8", "int64_contents"),
}
"""Datatypes that are read: how their raw bytes are laid out, and the field of their typed contents."""
LONGEST_SHAPE = 8


class Tensors:
    """The input tensors of one request by name; RefusedError, which names the tensor, where one does not fit."""

    def __init__(self, request: Any) -> None:
        raw = request.raw_input_contents
        self.is_raw = len(raw) > 0
        if self.is_raw and len(raw) != len(request.inputs):
            raise invalid(f"there are {len(raw)} raw_input_contents for {len(request.inputs)} inputs")
        self._found: dict[str, tuple[Any, bytes | None]] = {}
        for index, tensor in enumerate(request.inputs):
            if tensor.name in self._found:
                raise invalid(f"input '{shown(tensor.name)}' is there twice")
            if self.is_raw and tensor.HasField("contents"):
                raise invalid(f"input '{shown(tensor.name)}' has contents beside raw_input_contents")
            if tensor.parameters:
                raise invalid(f"input '{shown(tensor.name)}' has parameters, of which none is known")
            self._found[tensor.name] = (tensor, raw[index] if self.is_raw else None)

    def names(self) -> set[str]:
        """Names of the tensors that are there."""
        return set(self._found)

    def numbers(self, name: str, datatypes: tuple[str, ...]) -> NDArray[Any]:
        """A tensor of one of these datatypes; raw contents are not copied."""
        tensor, raw = self._found[name]
        if tensor.datatype not in datatypes:
            raise invalid(f"input '{name}' has datatype '{shown(tensor.datatype)}': send {' or '.join(datatypes)}")
        layout, field = NUMBERS[tensor.datatype]
        shape = _shape(name, tensor.shape)
        if raw is None:
            values = _typed(name, tensor, field)
            _check_count(name, shape, len(values), "values")
            return np.fromiter(values, layout, len(values)).reshape(shape)
        _check_count(name, (*shape, np.dtype(layout).itemsize), len(raw), "bytes")
        return np.frombuffer(raw, layout).reshape(shape)

    def texts(self, name: str) -> list[str]:
        """A tensor of datatype BYTES with one axis, as texts."""
        tensor, raw = self._found[name]
        if tensor.datatype != "BYTES":
            raise invalid(f"input '{name}' has datatype '{shown(tensor.datatype)}': send BYTES")
        shape = _shape(name, tensor.shape)
        if len(shape) != 1:
            raise invalid(f"input '{name}' has shape {list(shape)}: send a list, with one axis")
        parts = list(_typed(name, tensor, "bytes_contents")) if raw is None else _split(name, raw)
        _check_count(name, shape, len(parts), "values")
        try:
            return [part.decode() for part in parts]
        except UnicodeDecodeError:
            raise invalid(f"input '{name}' is not UTF-8") from None


def shown(text: str) -> str:
    """A client's word as it can stand in an answer: short and printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:40])


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    if len(shape) > LONGEST_SHAPE or any(size < 0 for size in shape):
        raise invalid(f"input '{name}' has a shape with negative sizes, or with more than {LONGEST_SHAPE} axes")
    return tuple(shape)


def _check_count(name: str, shape: tuple[int, ...], count: int, unit: str) -> None:
    if prod(shape) != count:
        raise invalid(f"input '{name}' has {count} {unit} where its shape and datatype take {prod(shape)}")


def _typed(name: str, tensor: Any, field: str) -> Any:
    """The typed contents, which must be in the field of the datatype alone."""
    others = [known.name for known, _ in tensor.contents.ListFields() if known.name != field]
    if others:
        raise invalid(f"input '{name}' of datatype {tensor.datatype} has {', '.join(others)}: send {field}")
    return getattr(tensor.contents, field)


def _split(name: str, raw: bytes) -> list[bytes]:
    """Elements of a raw BYTES tensor: each with its length in four bytes, little-endian, before it."""
    if len(raw) > FRAME:
        raise invalid(f"input '{name}' has {len(raw)} bytes: send {FRAME} at most")
    parts, place = [], 0
    while place < len(raw):
        begin = place + 4
        place = begin + int.from_bytes(raw[place:begin], "little")
        if begin > len(raw) or place > len(raw):
            raise invalid(f"input '{name}' ends within an element: each has its length in four bytes before it")
        parts.append(raw[begin:place])
    return parts
