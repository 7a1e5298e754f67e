"""One server has a port to itself, in one process or several, and has it again when it starts anew."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest

from cape_fed.errors import InputError
from cape_fed.serving.options import Options
from cape_fed.serving.ports import reserved
from cape_fed.serving.server import EncoderServer
from tests.serving.running import Gate

LOOPBACK, LOOPBACK6 = "127.0.0.1", "::1"


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of the name ``both``, in this order."""
    addresses, resolve = [LOOPBACK6, LOOPBACK], socket.getaddrinfo

    def found(host: str, *arguments: Any, **named: Any) -> list[Any]:
        hosts = addresses if host == "both" else [host]
        return [entry for one in hosts for entry in resolve(one, *arguments, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return addresses


@contextmanager
def one_of_several(options: Options) -> Iterator[None]:
    """What a process of a server does with a port."""
    with ExitStack() as lines:
        for address in options.shared:
            host, port = address.rsplit(":", 1)
            family = socket.AF_INET6 if "[" in host else socket.AF_INET
            line = lines.enter_context(socket.socket(family))
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):  # as gRPC does
                line.setsockopt(socket.SOL_SOCKET, option, 1)
            line.bind((host.strip("[]"), int(port)))
            line.listen()
        yield


@contextmanager
def single(host: str, port: int) -> Iterator[int]:
    """A server that is one process."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind((host, port))
        line.listen()
        yield int(line.getsockname()[1])


def is_refused(host: str, port: int) -> bool:
    try:
        with reserved(Options(host, port)):
            return False
    except InputError as error:
        return "is the port in use?" in str(error)


@pytest.mark.parametrize("is_listening", [True, False])
def test_beside_several_processes_nobody_else_listens(is_listening: bool) -> None:
    """Neither before they listen nor afterwards."""
    with reserved(Options(LOOPBACK, 0)) as options, ExitStack() as processes:
        if is_listening:
            for _ in range(2):
                processes.enter_context(one_of_several(options))
        assert is_refused(LOOPBACK, options.port)
        with pytest.raises(OSError, match="in use"), single(LOOPBACK, options.port):
            pass
        processes.enter_context(one_of_several(options))
    assert not is_refused(LOOPBACK, options.port)


def test_several_processes_do_not_begin_beside_one() -> None:
    with single(LOOPBACK, 0) as port:
        assert is_refused(LOOPBACK, port)


@pytest.mark.parametrize("taken", [LOOPBACK, LOOPBACK6])
def test_all_addresses_of_a_name_have_to_be_free(two_addresses: list[str], taken: str) -> None:
    with reserved(Options(taken, 0)) as first, one_of_several(first):
        assert is_refused("both", first.port)
    with reserved(Options("both", 0)) as first:
        assert first.shared == (f"[{LOOPBACK6}]:{first.port}", f"{LOOPBACK}:{first.port}")
        assert first.address == f"both:{first.port}"
        assert is_refused(taken, first.port)
        two_addresses.reverse()
        assert is_refused("both", first.port)


def test_an_address_that_the_machine_lacks_is_left_out(two_addresses: list[str]) -> None:
    two_addresses[0] = "2001:db8::1"
    with reserved(Options("both", 0)) as options:
        assert options.shared == (f"{LOOPBACK}:{options.port}",)
    two_addresses.pop()
    assert is_refused("both", 0)
    two_addresses[:] = [LOOPBACK, LOOPBACK]  # as a file of hosts may have it
    with reserved(Options("both", 0)) as options:
        assert options.shared == (f"{LOOPBACK}:{options.port}",)


def test_connections_that_one_process_has_closed_do_not_keep_several_from_its_port() -> None:
    with single(LOOPBACK, 0) as port:
        pass
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen()
        with socket.create_connection((LOOPBACK, port)) as client:
            listening.accept()[0].close()  # first, so that this end waits for what may still come
            assert client.recv(1) == b""
    with reserved(Options(LOOPBACK, port)) as options, one_of_several(options), one_of_several(options):
        assert is_refused(LOOPBACK, port)


def test_a_server_listens_at_all_addresses_that_are_reserved(two_addresses: list[str]) -> None:
    async def serve() -> None:
        with reserved(Options("both", 0)) as options:
            servers = [EncoderServer(Gate(), "v", options) for _ in range(2)]
            for server in servers:
                await server.start()
            assert {server.port for server in servers} == {options.port}
            for address in options.shared:
                async with grpc.aio.insecure_channel(address) as channel:
                    assert await channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"")
            for server in servers:
                await server.drain()

    asyncio.run(serve())
