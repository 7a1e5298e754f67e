"""Requests that do not fit are answered with what is wrong; of those that fit, none is misread."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as triton

from cape_fed.serving.options import Limits
from tests.serving.running import MODEL, VERSION, Running, ecg, running
from tests.serving.test_triton_client import close

METHOD = "/inference.GRPCInferenceService/ModelInfer"
FS = 100
Request = triton.ModelInferRequest
REFUSED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(limits=Limits(queue=32, message=1 << 20)) as found:
        yield found


@pytest.fixture(scope="module")
def ask(server: Running) -> Iterator[Callable[[bytes], Any]]:
    """A function that sends bytes and gives the response's message, or the error."""
    with grpc.insecure_channel(server.address, [("grpc.max_send_message_length", -1)]) as channel:
        call = channel.unary_unary(METHOD)

        def answer(content: bytes) -> Any:
            try:
                return triton.ModelInferResponse.FromString(call(content, timeout=30))
            except grpc.RpcError as error:
                return error

        yield answer


def request(records: int = 1, *, raw: bool = True, seconds: float = 3) -> Request:
    signal = ecg(records, seconds, FS)
    made = Request(model_name=MODEL)
    made.parameters["fs"].int64_param = FS
    tensor = made.inputs.add(name="ecg", datatype="FP32", shape=signal.shape)
    if raw:
        made.raw_input_contents.append(signal.tobytes())
    else:
        tensor.contents.fp32_contents.extend(signal.ravel().tolist())
    return made


def embedding(response: Any) -> np.ndarray:
    output = response.outputs[0]
    values = (
        np.frombuffer(response.raw_output_contents[0], "<f4")
        if response.raw_output_contents
        else np.array(output.contents.fp32_contents, np.float32)
    )
    return values.reshape(output.shape)


@pytest.mark.parametrize("raw", [True, False])
def test_raw_and_typed_requests_get_their_like(server: Running, ask: Callable[[bytes], Any], raw: bool) -> None:
    response = ask(request(2, raw=raw).SerializeToString())
    assert bool(response.raw_output_contents) == raw
    close(embedding(response), server.encoder.embed(ecg(2, 3, FS), FS))


def with_fs(
    made: Request, values: list[float], shape: list[int], datatype: str = "FP32", raw: bytes | None = None
) -> None:
    made.parameters.pop("fs")
    made.inputs.add(name="fs", datatype=datatype, shape=shape)
    made.raw_input_contents.append(struct.pack(f"<{len(values)}f", *values) if raw is None else raw)


def shape(*sizes: int) -> Callable[[Request], None]:
    def change(made: Request) -> None:
        del made.inputs[0].shape[:]
        made.inputs[0].shape.extend(sizes)

    return change


def leads(*names: bytes, raw: bytes | None = None, sizes: tuple[int, ...] | None = None) -> Callable[[Request], None]:
    def change(made: Request) -> None:
        made.inputs.add(name="leads", datatype="BYTES", shape=sizes or (len(names),))
        whole = b"".join(struct.pack("<I", len(name)) + name for name in names)
        made.raw_input_contents.append(whole if raw is None else raw)

    return change


BROKEN: dict[str, tuple[Callable[[Request], Any], str]] = {
    "another model": (lambda r: setattr(r, "model_name", "other"), "one model here"),
    "another version": (lambda r: setattr(r, "model_version", "7"), "one model here"),
    "no inputs": (lambda r: (r.inputs.pop(), r.raw_input_contents.pop()), "'ecg' is missing"),
    "unknown input": (lambda r: setattr(r.inputs[0], "name", "signal"), "'signal' is not known"),
    "two signals": (
        lambda r: (r.inputs.append(r.inputs[0]), r.raw_input_contents.append(r.raw_input_contents[0])), "twice",
    ),
    "unknown parameter": (lambda r: setattr(r.parameters["Leads"], "string_param", "II,I"), "'Leads' is not known"),
    "shared memory": (
        lambda r: setattr(r.inputs[0].parameters["shared_memory_region"], "string_param", "x"), "parameters",
    ),
    "unknown output": (lambda r: r.outputs.add(name="logits"), "'logits' is not known"),
    "output twice": (lambda r: (r.outputs.add(name="embedding"), r.outputs.add(name="embedding")), "asked for twice"),
    "classes of an output": (
        lambda r: setattr(r.outputs.add(name="embedding").parameters["classification"], "int64_param", 3), "parameters",
    ),
    "another datatype": (lambda r: setattr(r.inputs[0], "datatype", "FP64"), "send FP32"),
    "no datatype": (lambda r: setattr(r.inputs[0], "datatype", ""), "send FP32"),
    "raw and typed": (lambda r: r.inputs[0].contents.fp32_contents.append(1), "contents beside"),
    "raw of one input too many": (lambda r: r.raw_input_contents.append(b""), "2 raw_input_contents for 1 inputs"),
    "a byte too few": (lambda r: r.raw_input_contents.append(r.raw_input_contents.pop()[:-1]), "14399 bytes"),
    "a record too few": (shape(2, 12, 300), "14400 bytes where its shape and datatype take 28800"),
    "no axis for records": (shape(12, 300), r"send \[B, 12, n\]"),
    "leads and samples exchanged": (shape(1, 300, 12), "transpose"),
    "eleven leads": (shape(1, 10, 360), "expected 12 leads"),
    "no records": (lambda r: (shape(0, 12, 300)(r), setitem(r, b"")), "B of 1 or more"),
    "no samples": (lambda r: (shape(1, 12, 0)(r), setitem(r, b"")), "at least one second"),
    "a negative size": (shape(-1, 12, -300), "negative"),
    "a shape beyond all memory": (shape(2**31, 12, 2**62), "14400 bytes"),
    "a product that wraps around to the size": (shape(2**63 - 1, 12, 300), "14400 bytes"),
    "a shape of many axes": (shape(*[1] * 200), "more than 8 axes"),
    "nothing but NaN": (lambda r: setitem(r, np.full(3600, np.nan, "<f4").tobytes()), "no finite sample"),
    "microvolts": (lambda r: setitem(r, (1000 * ecg(1, 3, FS)).tobytes()), "microvolts or ADC counts"),
    "more records than are held": (lambda r: (shape(36, 1, 100)(r)), "at most 32"),
    "no rate": (lambda r: r.parameters.pop("fs"), "sampling rate in Hz once"),
    "two rates": (lambda r: (with_fs(r, [100], [1]), setattr(r.parameters["fs"], "int64_param", 100)), "once"),
    "a rate for each record": (lambda r: with_fs(r, [100, 100], [2]), "one rate"),
    "no number as rate": (lambda r: with_fs(r, [float("nan")], [1]), "sampling rate"),
    "a rate of no ECG": (lambda r: setattr(r.parameters["fs"], "double_param", 1e9), "sampling rate"),
    "a rate as text": (lambda r: setattr(r.parameters["fs"], "string_param", "100"), "no number"),
    "a rate as truth": (lambda r: setattr(r.parameters["fs"], "bool_param", True), "no number"),
    "a rate without a value": (lambda r: r.parameters["fs"].Clear(), "no number"),
    "a rate of other bytes": (lambda r: with_fs(r, [100], [1], "FP64"), "4 bytes"),
    "names of other leads": (leads(*[b"X"] * 12), "none of I, II"),
    "leads named twice": (leads(*[b"I"] * 12), "more than once"),
    "too few names": (leads(b"I", b"II"), "neither given nor derived"),
    "names not in UTF-8": (leads(*[b"\xff"] * 12), "not UTF-8"),
    "names that end early": (leads(raw=b"\x05\0\0\0I", sizes=(12,)), "ends within an element"),
    "a length that ends early": (leads(raw=b"\x05\0", sizes=(12,)), "ends within an element"),
    "an element beyond all memory": (leads(raw=b"\xff\xff\xff\xffI", sizes=(12,)), "ends within an element"),
    "another number of names": (leads(b"I", sizes=(12,)), "1 values"),
    "names on two axes": (leads(*[b"I"] * 12, sizes=(3, 4)), "one axis"),
    "another word for missing": (lambda r: setattr(r.parameters["missing"], "string_param", "zero"), "error or mask"),
}  # fmt: skip


def setitem(made: Request, raw: bytes) -> None:
    made.raw_input_contents[0] = raw


@pytest.mark.parametrize("what", BROKEN)
def test_what_does_not_fit_is_named(ask: Callable[[bytes], Any], what: str) -> None:
    change, says = BROKEN[what]
    made = request()
    change(made)
    error = ask(made.SerializeToString())
    assert isinstance(error, grpc.RpcError), "it was answered"
    assert error.code() == (grpc.StatusCode.NOT_FOUND if "model" in says else grpc.StatusCode.INVALID_ARGUMENT)
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(error.details())


def test_typed_contents_in_another_field_are_refused(ask: Callable[[bytes], Any]) -> None:
    made = request(raw=False)
    made.inputs[0].contents.fp64_contents.append(1)
    assert "fp64_contents" in ask(made.SerializeToString()).details()
    made.inputs[0].contents.ClearField("fp64_contents")
    made.inputs[0].contents.fp32_contents.pop()
    assert "3599 values" in ask(made.SerializeToString()).details()


def test_bytes_that_are_no_request(ask: Callable[[bytes], Any]) -> None:
    for content in (b"\xff" * 100, request().SerializeToString()[:-1]):
        assert ask(content).code() == grpc.StatusCode.INVALID_ARGUMENT
    assert ask(b"").code() == grpc.StatusCode.NOT_FOUND  # a request for no model


def test_a_message_over_the_limit_is_refused_and_the_server_goes_on(ask: Callable[[bytes], Any]) -> None:
    assert ask(request(40, seconds=10).SerializeToString()).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert embedding(ask(request().SerializeToString())).shape[0] == 1


def meaning(content: bytes) -> tuple[np.ndarray, float, list[str] | None]:
    """What a valid request asks, read by other people's parser and without any check."""
    read = Request.FromString(content)
    raw = dict(zip((tensor.name for tensor in read.inputs), read.raw_input_contents, strict=False))
    by_name = {tensor.name: tensor for tensor in read.inputs}
    tensor = by_name["ecg"]
    values = np.frombuffer(raw["ecg"], "<f4") if raw else np.array(tensor.contents.fp32_contents, np.float32)
    parameter = read.parameters["fs"]
    names = read.parameters["leads"].string_param.split(",") if "leads" in read.parameters else None
    return values.reshape(tensor.shape), float(getattr(parameter, str(parameter.WhichOneof("parameter_choice")))), names


def check(server: Running, ask: Callable[[bytes], Any], content: bytes) -> None:
    """A request is refused as bad, or embedded as others read it."""
    answer = ask(content)
    if isinstance(answer, grpc.RpcError):
        assert answer.code() in REFUSED, (answer.code(), answer.details())
        return
    signal, fs, names = meaning(content)
    close(embedding(answer), server.encoder.embed(signal, fs, names))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_request_with_changed_bytes_is_refused_or_read_as_others_read_it(
    server: Running, ask: Callable[[bytes], Any], data: st.DataObject
) -> None:
    made = request(raw=data.draw(st.booleans()), seconds=1)
    made.parameters["leads"].string_param = "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6"
    content = bytearray(made.SerializeToString(deterministic=True))
    frame = [place for place in range(len(content)) if place < 60 or place > len(content) - 60]
    for place in data.draw(st.lists(st.sampled_from([*frame, 1500]), min_size=1, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    check(server, ask, bytes(content))


SIZES = st.one_of(st.integers(-2, 14), st.sampled_from([12, 100, 300, 2**31, 2**63 - 1]))
PARAMETER = st.one_of(
    st.builds(triton.InferParameter, int64_param=st.integers(-(2**63), 2**63 - 1)),
    st.builds(triton.InferParameter, double_param=st.floats()),
    st.builds(triton.InferParameter, uint64_param=st.just(FS)),
    st.builds(triton.InferParameter, string_param=st.text(max_size=5)),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests of which each part is right or is not."""
    made = request(raw=draw(st.booleans()), seconds=1)
    if draw(st.booleans()):
        shape(*draw(st.one_of(st.just([1, 12, 100]), st.lists(SIZES, max_size=5))))(made)
    if draw(st.booleans()):
        made.inputs[0].datatype = draw(st.sampled_from(["FP32", "FP64", "BYTES", "INT8", "", "fp32"]))
    if draw(st.booleans()):
        made.parameters["fs"].CopyFrom(draw(PARAMETER))
    if draw(st.booleans()):
        made.parameters[draw(st.sampled_from(["leads", "missing", "x"]))].CopyFrom(draw(PARAMETER))
    if made.raw_input_contents and draw(st.booleans()):
        setitem(made, draw(st.one_of(st.binary(max_size=60), st.just(b"\0" * 4800))))
    made.model_version = draw(st.sampled_from(["", VERSION, "1"]))
    content: bytes = made.SerializeToString()
    return content


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@example(request(3, raw=False, seconds=1).SerializeToString())
@given(requests())
def test_a_request_of_any_parts_is_refused_or_read_as_others_read_it(
    server: Running, ask: Callable[[bytes], Any], content: bytes
) -> None:
    check(server, ask, content)
