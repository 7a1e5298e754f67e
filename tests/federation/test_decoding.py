"""What anyone may have written is read exactly as expected, or refused by a ValueError without the sender's words."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cape_fed.federation.decoding import LARGEST, Part, json_record, read_array, read_arrays, read_json


class Question(Part):
    """A small schema."""

    task: str
    count: int


KIND = TypeAdapter(Question)
SHAPES: dict[str, tuple[int, ...]] = {"x": (3,), "xx": (3, 3)}


def content(**arrays: np.ndarray) -> RecordDict:
    values = {"x": np.ones(3), "xx": np.ones((3, 3))} | arrays
    return RecordDict({"sums": ArrayRecord({name: Array(value) for name, value in values.items()})})


def with_data(data: bytes) -> Array:
    array = Array(np.ones(3))
    array.data = data
    return array


def saved(value: np.ndarray) -> bytes:
    stream = BytesIO()
    np.save(stream, value, allow_pickle=True)
    return stream.getvalue()


def test_json_comes_back() -> None:
    record = RecordDict({"question": json_record(Question(task="AF", count=3), KIND)})
    assert read_json(record, "question", KIND) == Question(task="AF", count=3)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"task": "AF"}', '{"task": "AF", "count": "3"}', '{"task": "AF", "count": 3, "more": 1}',
     '{"task": "AF", "count": 3.5}', "null", '{"task": "AF", "count": NaN}'],
)  # fmt: skip
def test_json_that_is_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="question"):
        read_json(RecordDict({"question": ConfigRecord({"json": text})}), "question", KIND)


def test_the_senders_words_are_in_no_message() -> None:
    record = RecordDict({"question": ConfigRecord({"json": '{"task": "AF", "count": "Anna Schmidt"}'})})
    with pytest.raises(ValueError, match="question") as caught:
        read_json(record, "question", KIND)
    assert "Schmidt" not in str(caught.value)


def test_records_with_other_keys_or_values_are_refused() -> None:
    for record in ({}, {"json": "{}", "more": 1}, {"json": 3}):
        with pytest.raises(ValueError, match="not a record of JSON"):
            read_json(RecordDict({"question": ConfigRecord(record)}), "question", KIND)


def test_arrays_come_back() -> None:
    read = read_arrays(content(x=np.arange(3.0)), "sums", SHAPES)
    assert read["x"].tolist() == [0, 1, 2]
    assert read["xx"].shape == (3, 3)


@pytest.mark.parametrize(
    "value",
    [np.ones(4), np.ones((3, 1)), np.ones(3, np.float32), np.ones(3, ">f8"), np.full(3, np.nan),
     np.array([1.0, np.inf, 1.0]), np.full(3, 2 * LARGEST), np.ones(3, complex)],
)  # fmt: skip
def test_arrays_of_another_shape_type_or_size_are_refused(value: np.ndarray) -> None:
    with pytest.raises(ValueError, match="sums: x"):
        read_arrays(content(x=value), "sums", SHAPES)


@pytest.mark.parametrize("names", [{}, {"x": (3,)}, {**SHAPES, "more": (1,)}])
def test_records_with_other_arrays_are_refused(names: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="sums: not a record"):
        read_arrays(content(), "sums", names)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:6] + b"\3\0" + data[8:],
        lambda data: data.replace(b"(3,)", b"(9,)"),
        lambda data: data.replace(b"(3,)", b"(-3,"),
        lambda data: data.replace(b"False", b"__import__('os')"),
        lambda data: saved(np.array([{}], object)),
        lambda data: saved(np.asfortranarray(np.ones((3, 3)))),
    ],
)
def test_bytes_that_are_no_such_array_are_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="here"):
        read_array(with_data(damage(saved(np.ones(3)))), (3,), "<f8", "here")


@given(st.binary(max_size=300))
def test_any_bytes_are_an_array_or_a_value_error(data: bytes) -> None:
    said = "here"
    try:
        read = read_array(with_data(data), (3,), "<f8", "here")
    except ValueError as error:
        said = str(error)
    else:
        assert read.shape == (3,)
    assert said.startswith("here")
