"""A server that shows a certificate and says nothing."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread


@contextmanager
def tls_server(certificate: Path, key: Path) -> Iterator[int]:
    """A TLS server on 127.0.0.1 that ends every connection once it is made; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):  # the listener is shut down
                while True:
                    plain, _ = listener.accept()
                    plain.settimeout(20)
                    with suppress(OSError), plain, context.wrap_socket(plain, server_side=True):
                        pass

        thread = Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(20)
