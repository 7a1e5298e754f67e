"""How much of a request is something else than samples, found out before it is parsed.

A parser makes an object of every field, so that a message of millions of empty ones becomes forty times as large and
keeps Python's lock for seconds. Samples are few fields, each as large in memory as in the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor

from cape_fed.serving.protocol import protocol
from cape_fed.serving.refusal import invalid

FRAME = 1 << 14
"""Bytes of a request that are no samples, at most: names, shapes, parameters."""
SAMPLES = ("raw_input_contents", "fp32_contents", "fp64_contents")
WITHIN = ("inputs", "contents")
"""Fields that samples may be in."""
VARINT, EIGHT, SIZED, FOUR = 0, 1, 2, 5
"""Wire types: https://protobuf.dev/programming-guides/encoding/."""
LONGEST_VARINT = 10


class _Field(NamedTuple):
    number: int
    kind: int
    begin: int
    """Of its content."""
    end: int


def check_frame(content: bytes) -> None:
    """RefusedError where more than `FRAME` bytes of a ModelInferRequest are no samples, or it is no message."""
    _check(content, 0, len(content), protocol().methods["ModelInfer"].request.DESCRIPTOR, FRAME)


def _check(content: bytes, begin: int, end: int, message: Descriptor, left: int) -> int:
    """How many bytes are left for what follows the message between ``begin`` and ``end``, of those ``left`` before."""
    place = begin
    for field in _fields(content, begin, end):
        left -= field.begin - place
        known = message.fields_by_number.get(field.number) if field.kind == SIZED else None
        name = None if known is None else known.name
        if known is not None and name in WITHIN:
            left = _check(content, field.begin, field.end, known.message_type, left)
        elif name not in SAMPLES:
            left -= field.end - field.begin
        if left < 0:
            raise invalid(f"more than {FRAME} bytes of this request are no samples: send few and short names")
        place = field.end
    return left


def _fields(content: bytes, begin: int, end: int) -> Iterator[_Field]:
    """The fields of a message; what they contain is passed over."""
    place = begin
    while place < end:
        key, start = _varint(content, place, end)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            place = _varint(content, start, end)[1]
        elif kind == SIZED:
            size, start = _varint(content, start, end)
            place = start + size
        elif kind in (EIGHT, FOUR):
            place = start + (8 if kind == EIGHT else 4)
        else:  # groups, which nobody sends any more
            raise _no_message()
        if place > end:
            raise _no_message()
        yield _Field(number, kind, start, place)


def _varint(content: bytes, place: int, end: int) -> tuple[int, int]:
    """A number and the place behind it."""
    value = 0
    for index in range(min(LONGEST_VARINT, end - place)):
        byte = content[place + index]
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, place + index + 1
    raise _no_message()


def _no_message() -> Exception:
    return invalid("this is no message of type ModelInferRequest")
