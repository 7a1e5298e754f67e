"""Full queues, deadlines, cut connections, failing encoders and the end of a server."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import torch
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from cape_fed.errors import InputError
from cape_fed.serving.admission import Admission
from cape_fed.serving.options import Limits, Options
from cape_fed.serving.protocol import SERVICE, protocol
from cape_fed.serving.server import EncoderServer
from tests.serving.running import MODEL, Gate, Running, ecg, running, until
from tests.serving.test_requests import METHOD, embedding, request, triton
from tests.serving.test_triton_client import close

CONTENT = request().SerializeToString()
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def gate() -> Iterator[Gate]:
    encoder = Gate()
    yield encoder
    encoder.open.set()


@pytest.fixture
def pytorch_threads() -> Iterator[None]:
    """What other threads are given is left as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Client:
    """Requests of which many can be under way."""

    def __init__(self, server: Running) -> None:
        self.channel = grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)])
        self.infer = self.channel.unary_unary(METHOD)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *reason: object) -> None:
        self.channel.close()

    def standing(self, service: str = "") -> int:
        return int(self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status)


def test_a_full_queue_refuses_at_once_and_takes_again(gate: Gate) -> None:
    gate.open.clear()
    with running(gate, Limits(queue=4)) as server, Client(server) as client:
        calls = [client.infer.future(CONTENT, timeout=60) for _ in range(7)]
        until(lambda: sum(call.done() for call in calls) == 3)
        assert {call.code() for call in calls if call.done()} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert server.count("cape_fed_serving_held_records") == 4
        pair = client.infer.future(request(2).SerializeToString(), timeout=60)
        assert pair.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        gate.open.set()
        assert sum(call.code() == grpc.StatusCode.OK for call in calls) == 4
        assert server.count("cape_fed_serving_held_records") == 0
        assert client.infer(request(4).SerializeToString(), timeout=60)
        assert server.count("cape_fed_serving_requests_total", code="RESOURCE_EXHAUSTED") == 4


def test_the_bytes_of_waiting_requests_are_bounded(gate: Gate) -> None:
    gate.open.clear()
    with running(gate, Limits(message=len(CONTENT))) as server, Client(server) as client:
        calls = [client.infer.future(CONTENT, timeout=60) for _ in range(9)]
        until(lambda: any(call.done() for call in calls))
        gate.open.set()
        codes = [call.code() for call in calls]
        assert (codes.count(grpc.StatusCode.OK), codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED)) == (8, 1)


def test_what_has_come_meanwhile_is_one_batch(gate: Gate) -> None:
    """Of one length; another length is a batch of its own, and no batch is larger than it may be."""
    gate.open.clear()
    short = request(seconds=2).SerializeToString()
    with running(gate, Limits(batch=4, threads=1)) as server, Client(server) as client:
        calls = [client.infer.future(CONTENT, timeout=60)]
        gate.began.acquire()
        for content in (CONTENT, short) * 5:
            calls.append(client.infer.future(content, timeout=60))
        until(lambda: server.count("cape_fed_serving_held_records") == 11)
        gate.open.set()
        for number, call in enumerate(calls):
            expected = ecg(1, 2 if number and number % 2 == 0 else 3, 100)
            found = embedding(triton.ModelInferResponse.FromString(call.result()))
            close(found, server.encoder.embed(expected, 100))
    assert sorted(gate.batches[:5]) == [1, 1, 1, 4, 4]


def given_up(server: Running) -> float:
    """A client whose deadline passes cancels, which may reach the server before its own clock has got there."""
    codes = ("DEADLINE_EXCEEDED", "CANCELLED")
    return sum(server.count("cape_fed_serving_requests_total", code=code) for code in codes)


def test_expired_and_abandoned_requests_are_not_computed(gate: Gate) -> None:
    gate.open.clear()
    with running(gate, Limits(threads=1)) as server, Client(server) as client:
        first = client.infer.future(CONTENT, timeout=60)
        gate.began.acquire()
        late = client.infer.future(CONTENT, timeout=0.2)
        assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        until(lambda: given_up(server) == 1)
        with Client(server) as other:
            abandoned = other.infer.future(CONTENT, timeout=60)
            until(lambda: server.count("cape_fed_serving_held_records") == 2)
        assert abandoned.code() == grpc.StatusCode.CANCELLED
        until(lambda: given_up(server) == 2)
        assert server.count("cape_fed_serving_held_records") == 1
        gate.open.set()
        assert first.code() == grpc.StatusCode.OK
        assert client.infer(CONTENT, timeout=60)
    assert gate.batches == [1, 1]


def test_several_batches_are_computed_at_once_on_a_core_each(gate: Gate, pytorch_threads: None) -> None:
    """A batch alone gets all cores, unless it is too small for them."""
    gate.open.clear()
    with running(gate, Limits(threads=2)) as server, Client(server) as client:
        calls = []
        for records in (8, 8):
            calls.append(client.infer.future(request(records).SerializeToString(), timeout=60))
            gate.began.acquire()
        gate.open.set()
        assert {call.code() for call in calls} == {grpc.StatusCode.OK}
        until(lambda: not server.server.work.batcher.computing)
        assert client.infer(CONTENT, timeout=60)
    assert gate.threads == [2, 1, 1]


def test_a_request_that_is_given_up_while_it_is_read_takes_no_place() -> None:
    admission = Admission(Limits(queue=4))
    with admission.admit(10) as place:
        pass
    admission.grow(place, 3)
    assert admission.records == 0


@pytest.mark.parametrize(
    "content", [b"", b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\xff" * 5000]
)
def test_connections_that_make_no_sense_or_end_early_do_no_harm(server: Running, content: bytes) -> None:
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), 10) as line:
        line.sendall(content)
    with Client(server) as client:
        assert client.infer(CONTENT, timeout=60)


def test_a_failing_encoder_fails_its_batch_alone_and_tells_no_values(
    gate: Gate, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"{ecg().max():.3f} mV"

    def fail(signals: Any, valid: Any) -> Any:
        raise RuntimeError(secret)

    with running(gate) as server, Client(server) as client:
        with monkeypatch.context() as broken:
            broken.setattr(gate, "embed_rows", fail)
            call = client.infer.future(CONTENT, timeout=60)
            assert (call.code(), call.details()) == (grpc.StatusCode.INTERNAL, "the server failed; its log says where")
        assert "RuntimeError" in caplog.text
        assert "in fail" in caplog.text
        assert secret not in caplog.text
        assert client.infer(CONTENT, timeout=60)


def test_a_server_that_stops_answers_what_it_accepted(gate: Gate) -> None:
    gate.open.clear()
    with running(gate) as server, Client(server) as client:
        calls = [client.infer.future(CONTENT, timeout=60) for _ in range(5)]
        watch = client.health.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watch).status == SERVING
        until(lambda: server.count("cape_fed_serving_held_records") == 5)
        stopping = server.submit(server.server.drain())
        assert next(watch).status == NOT_SERVING
        assert [client.standing(name) for name in ("", SERVICE, MODEL)] == [NOT_SERVING] * 3
        until(lambda: server.metrics.readiness())
        assert client.infer.future(CONTENT, timeout=60).code() == grpc.StatusCode.UNAVAILABLE
        gate.open.set()
        assert {call.code() for call in calls} == {grpc.StatusCode.OK}
        assert stopping.result(20) == 0


def test_what_takes_too_long_at_the_end_is_cut_off(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    gate.open.clear()
    with running(gate, Limits(drain=0.1)) as server, Client(server) as client:
        calls = [client.infer.future(CONTENT, timeout=60) for _ in range(2)]
        until(lambda: server.count("cape_fed_serving_held_records") == 2)
        with caplog.at_level(logging.WARNING):
            assert server.call(server.server.drain()) == 2
        assert "2 requests were not answered in time" in caplog.text
        assert grpc.StatusCode.OK not in {call.code() for call in calls}
        gate.open.set()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as found:
        yield found


def test_health_by_name(server: Running) -> None:
    with Client(server) as client:
        assert [client.standing(name) for name in ("", SERVICE, MODEL)] == [SERVING] * 3
        with pytest.raises(grpc.RpcError) as error:
            client.standing("other")
        assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_client_that_knows_nothing_of_the_protocol_learns_it_by_reflection(server: Running) -> None:
    """As grpcurl does it."""
    with Client(server) as client:
        known = ProtoReflectionDescriptorDatabase(client.channel)
        assert set(known.get_services()) == {
            SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection",
        }  # fmt: skip
        pool = DescriptorPool(known)
        for name in known.get_services():
            assert pool.FindServiceByName(name).methods
        method = pool.FindServiceByName(SERVICE).methods_by_name["ModelInfer"]
        made = GetMessageClass(method.input_type).FromString(CONTENT)
        assert made.inputs[0].name == "ecg"
        answer = GetMessageClass(method.output_type).FromString(client.infer(made.SerializeToString()))
        close(embedding(answer), server.encoder.embed(ecg(1, 3, 100), 100))


def test_metrics(server: Running) -> None:
    before = server.count("cape_fed_serving_records_total")
    with Client(server) as client:
        client.infer(request(3).SerializeToString())
    assert server.count("cape_fed_serving_records_total") == before + 3
    answered = server.count("cape_fed_serving_requests_total", code="OK")
    assert server.count("cape_fed_serving_request_seconds_count") == answered
    assert server.count("cape_fed_serving_request_seconds_bucket", le="+Inf") == answered
    assert 0 < server.count("cape_fed_serving_request_seconds_sum") < 60 * answered
    assert server.count("cape_fed_serving_work_seconds_total", part="encode") > 0
    assert server.count("cape_fed_serving_info", model=MODEL, profile="compact100") == 1
    assert server.metrics.readiness() == {}


def test_a_port_in_use_is_said(server: Running) -> None:
    async def start() -> None:
        await EncoderServer(server.encoder, "x", Options("127.0.0.1", server.server.port)).start()

    with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{server.server.port}"):
        server.call(start())


def test_the_interface_is_the_one_that_others_were_generated_from() -> None:
    """Triton's own description has more fields; those that the protocol has are the same."""
    for name in ("ModelInferRequest", "ModelInferResponse", "InferParameter", "InferTensorContents"):
        ours = protocol().pool.FindMessageTypeByName(f"inference.{name}")
        theirs = getattr(triton, name).DESCRIPTOR
        for field in ours.fields:
            other = theirs.fields_by_name[field.name]
            assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated)
