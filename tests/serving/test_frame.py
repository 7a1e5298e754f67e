"""Requests of millions of fields are refused before they are parsed; those that are mostly samples are not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from cape_fed.serving.frame import FRAME, check_frame
from cape_fed.serving.options import MEGABYTE, Limits
from cape_fed.serving.refusal import RefusedError
from cape_fed.serving.requests import parse
from tests.serving.running import running
from tests.serving.test_requests import leads, request, triton
from tests.serving.test_server import CONTENT, Client

SIZE = 16 * MEGABYTE


def varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


def sized(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def filled(field: bytes) -> bytes:
    return field * (SIZE // len(field))


HOSTILE = {
    "empty inputs": filled(sized(5, b"")),
    "empty outputs": filled(sized(6, b"")),
    "empty parameters": filled(sized(4, b"")),
    "empty raw contents": filled(sized(7, b"")),
    "empty contents": sized(5, filled(sized(5, b""))),
    "a long shape": sized(5, sized(3, filled(b"\1"))),
    "a long shape, value by value": sized(5, filled(b"\x18\1")),
    "parameters of a tensor": sized(5, filled(sized(4, b""))),
    "typed texts": sized(5, sized(5, filled(sized(8, b"")))),
    "typed integers": sized(5, sized(5, sized(3, filled(b"\1")))),
    "samples one by one": sized(5, sized(5, filled(b"\x35\0\0\0\0"))),
    "nobody knows": filled(b"\xf8\x07\0"),
    "a long name": sized(1, filled(b"x")),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_many_fields_are_refused_before_they_are_parsed(what: str) -> None:
    begin = time.process_time()
    with pytest.raises(RefusedError, match="are no samples"):
        check_frame(HOSTILE[what])
    assert time.process_time() - begin < 0.5


def test_the_server_refuses_them_and_goes_on() -> None:
    with running(limits=Limits(message=2 * SIZE)) as server, Client(server) as client:
        call = client.infer.future(HOSTILE["empty inputs"], timeout=60)
        assert (call.code(), "no samples" in call.details()) == (grpc.StatusCode.INVALID_ARGUMENT, True)
        made = request()
        leads(raw=filled(b"\0\0\0\0"), sizes=(SIZE // 4,))(made)
        call = client.infer.future(made.SerializeToString(), timeout=60)
        assert "16777216 bytes: send 16384 at most" in call.details()
        assert client.infer(CONTENT, timeout=60)


@pytest.mark.parametrize("raw", [True, False])
def test_samples_do_not_count(raw: bool) -> None:
    made = request(8, raw=raw, seconds=10)
    made.id = "x" * (FRAME - 300)
    check_frame(made.SerializeToString())
    made.id += "x" * 300
    with pytest.raises(RefusedError, match="are no samples"):
        check_frame(made.SerializeToString())


def test_a_request_of_every_field_has_the_frame_that_it_is_counted_with() -> None:
    made = triton.ModelInferRequest(model_name="m", model_version="v", id="i")
    for name, change in {"bool": True, "int64": -1, "uint64": 2**64 - 1, "double": 0.5, "string": "é"}.items():
        setattr(made.parameters[name], f"{name}_param", change)
    tensor = made.inputs.add(name="ecg", datatype="FP32", shape=[1, 2**40])
    tensor.contents.int_contents.extend([1, -1])
    made.outputs.add(name="embedding")
    made.raw_input_contents.append(bytes(1 << 20))
    check_frame(made.SerializeToString())


CUT: dict[str, Callable[[bytes], Any]] = {
    "at the end": lambda content: content[:-1],
    "within a number": lambda content: content + b"\x80",
    "a number without an end": lambda content: content + b"\xff" * 20,
    "a size beyond the end": lambda content: content + b"\x3a\x7f",
    "four bytes beyond the end": lambda content: content + b"\x45\0",
    "a group": lambda content: content + b"\x0b\x0c",
    "an input that ends late": lambda content: sized(5, b"\x0a\x09") + content,
}


@pytest.mark.parametrize("what", CUT)
def test_what_is_no_message(what: str) -> None:
    with pytest.raises(RefusedError, match="no message of type"):
        check_frame(CUT[what](CONTENT))
    if what != "a group":  # which protobuf passes over
        with pytest.raises(RefusedError, match="no message of type"):
            parse("ModelInfer", CUT[what](CONTENT))
