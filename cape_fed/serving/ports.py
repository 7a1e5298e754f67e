"""A port at which several processes of one server may listen, and no other server."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from cape_fed.errors import InputError
from cape_fed.serving.options import Options, joined

NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""What a machine says of an address that it does not have, such as one of IPv6."""


@contextmanager
def reserved(options: Options) -> Iterator[Options]:
    """The options of processes that listen beside each other, at a port at which nobody listens yet.

    Nobody else can have it meanwhile. A name is resolved here and once: each of its addresses has to be free, because
    each that is not would be shared with whoever listens there. InputError where one is taken or there is none.
    """
    with ExitStack() as standing:
        port, addresses = options.port, []
        try:
            found = socket.getaddrinfo(options.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, address in dict.fromkeys((family, address) for family, *_, address in found):
                try:
                    line = standing.enter_context(_reserve(family, (address[0], port, *address[2:])))
                except OSError as error:
                    if error.errno in NOT_HERE:
                        continue
                    raise
                port = line.getsockname()[1]
                addresses.append(joined(str(address[0]), port))
        except OSError:
            raise cannot_listen(options.address) from None
        if not addresses:
            raise cannot_listen(options.address)
        yield replace(options, port=port, shared=tuple(addresses))


def _reserve(family: int, address: tuple[Any, ...]) -> socket.socket:
    """A socket beside which this user's processes may listen at ``address``; OSError where anybody else has it."""
    with socket.socket(family) as alone, socket.socket(family) as first:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)  # fails beside another server; the next ones would share its connections
        address = alone.getsockname()
        alone.close()
        # Connections that a server without SO_REUSEPORT closed block the port for a minute, but not with SO_REUSEADDR.
        # With that alone, though, another server could be about to listen too: what stands in the end is without it.
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            first.setsockopt(socket.SOL_SOCKET, option, 1)
        first.bind(address)
        standing = socket.socket(family)
        try:
            standing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            standing.bind(address)
        except OSError:
            standing.close()
            raise
        return standing


def cannot_listen(address: str) -> InputError:
    """What is wrong where a port is taken."""
    return InputError(f"cannot listen on {address}: is the port in use?")
