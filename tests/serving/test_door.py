"""What is received before it is counted is bounded, whatever clients begin to send."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from threading import Event

import grpc
import pytest

from cape_fed.serving import door
from cape_fed.serving.door import SMALL, Door
from cape_fed.serving.options import MEGABYTE, Limits
from cape_fed.serving.refusal import RefusedError
from tests.serving.running import Gate, Running, running, until
from tests.serving.test_requests import METHOD
from tests.serving.test_server import CONTENT, SERVING, Client
from tests.serving.unfinished import Unfinished, unfinished

MESSAGE = 4 * MEGABYTE
CALLS = 20
UNASKED = 1 << 17
"""Bytes of a message that may come before its turn: gRPC's window and what is on the way."""
READY = "/inference.GRPCInferenceService/ServerReady"


@pytest.fixture
def server() -> Iterator[Running]:
    with running(limits=Limits(message=MESSAGE)) as found:
        yield found


def held(calls: Unfinished) -> float:
    """How many messages, but for their last bytes, the server has taken."""
    return (calls.sent - CALLS * UNASKED) / MESSAGE


def test_eight_messages_are_received_at_a_time_and_health_is_answered_beside_them(server: Running) -> None:
    with unfinished(server.address, METHOD, MESSAGE, CALLS) as calls, Client(server) as client:
        assert calls.sent / MESSAGE > 7
        assert held(calls) < 8
        assert client.standing() == SERVING
        assert client.channel.unary_unary(READY)(b"", timeout=10)
        with unfinished(server.address, METHOD, MESSAGE, CALLS) as others:
            assert held(others) < 0
        late = client.infer.future(CONTENT, timeout=1)
        assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        calls.line.close()
        assert client.infer(CONTENT, timeout=60)


@pytest.mark.parametrize(
    ("path", "turns"),
    [
        (READY, 2),
        ("/grpc.health.v1.Health/Check", 2),
        ("/grpc.health.v1.Health/Watch", 2),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", 1),
        ("/no.Service/Method", 0),
    ],
)
def test_what_needs_no_large_messages_has_few_turns(server: Running, path: str, turns: int) -> None:
    with unfinished(server.address, path, MESSAGE, CALLS) as calls, Client(server) as client:
        assert held(calls) < turns
        assert client.infer(CONTENT, timeout=60)


def test_a_server_that_stops_refuses_at_once_whatever_is_being_received() -> None:
    gate = Gate()
    gate.open.clear()
    with running(gate, Limits(message=MESSAGE)) as server, Client(server) as client:
        accepted = client.infer.future(CONTENT, timeout=60)
        gate.began.acquire()
        with unfinished(server.address, METHOD, MESSAGE, CALLS):
            stopping = server.submit(server.server.drain())
            until(server.metrics.readiness)
            assert client.infer.future(CONTENT, timeout=10).code() == grpc.StatusCode.UNAVAILABLE
            gate.open.set()
            assert accepted.code() == grpc.StatusCode.OK
            assert stopping.result(20) == 0


def test_a_request_that_does_not_come_in_time_makes_room_for_the_next() -> None:
    with running(limits=Limits(message=MESSAGE, receive=0.5)) as server, Client(server) as client:
        with unfinished(server.address, METHOD, MESSAGE, 8) as calls:
            until(calls.all_ended)
            assert client.infer(CONTENT, timeout=60)
        assert server.count("cape_fed_serving_requests_total", code="RESOURCE_EXHAUSTED") == 8


def test_large_messages_where_small_ones_are_enough(server: Running) -> None:
    with Client(server) as client:
        for path in (READY, "/grpc.health.v1.Health/Check"):
            call = client.channel.unary_unary(path).future(bytes(SMALL + 1), timeout=10)
            assert call.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "16384 are enough" in call.details()
        call = client.channel.unary_unary("/grpc.health.v1.Health/Check").future(b"\xff", timeout=10)
        assert call.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("path", [METHOD, READY, "/grpc.health.v1.Health/Check"])
def test_a_call_without_a_message(server: Running, path: str) -> None:
    with Client(server) as client:
        call = client.channel.stream_unary(path).future(iter([]), timeout=10)
        assert call.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert call.details() == "the call ended without a message"


def test_messages_over_the_limit_and_clients_that_go_are_no_faults(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(server) as client:
        options = [("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(server.address, options) as channel:
            for path in (METHOD, "/grpc.health.v1.Health/Check"):
                call = channel.unary_unary(path).future(bytes(MESSAGE + 1), timeout=10)
                assert call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        with unfinished(server.address, METHOD, MESSAGE, CALLS):
            pass
        until(lambda: server.count("cape_fed_serving_requests_total", code="CANCELLED") >= CALLS)
        assert client.infer(CONTENT, timeout=60)
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_a_caller_of_reflection_that_asks_nothing_more_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SIDE_SECONDS", 0.2)
    silent = Event()

    def questions() -> Iterator[bytes]:
        silent.wait(60)
        yield from ()

    with running() as server, Client(server) as client:
        info = client.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        call = info(questions(), timeout=60)
        assert call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        silent.set()


def test_turns_are_given_in_order_and_given_back_by_who_gives_up() -> None:
    async def check() -> None:
        room, order = 20, []
        gate = Door(lambda: room, 10, 3, 60)

        async def pass_through(name: str, leave: asyncio.Event) -> None:
            async with gate.turn():
                order.append(name)
                await leave.wait()

        leave = asyncio.Event()
        begun = [asyncio.create_task(pass_through(name, leave)) for name in "abcde"]
        await asyncio.sleep(0)
        assert order == ["a", "b"]
        with pytest.raises(RefusedError, match="try again later"):
            async with gate.turn():
                pass
        begun[2].cancel()
        begun[0].cancel()  # so that d has its turn, and is given up before it hears of it
        await asyncio.sleep(0)
        begun[3].cancel()
        for task in (begun[2], begun[0], begun[3]):
            with suppress(asyncio.CancelledError):
                await task
        while "e" not in order:
            await asyncio.sleep(0)
        assert order == ["a", "b", "e"]
        last = asyncio.create_task(pass_through("f", leave))
        await asyncio.sleep(0)
        room = 9  # what came has filled it
        leave.set()
        with pytest.raises(RefusedError, match="try again later"):
            await last
        await asyncio.gather(begun[1], begun[4])

    asyncio.run(check())
