"""How long certificates last, said in time to renew them."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

NOTICE = 30
"""Days before the end of a certificate from which on both ends speak of it."""


def certificate_end(path: Path) -> datetime:
    """When the certificate in a PEM file ends; ValueError where there is none."""
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


def peer_end(connection: socket.socket) -> datetime:
    """When the certificate at the other end of a TLS connection ends."""
    assert isinstance(connection, ssl.SSLSocket)
    content = connection.getpeercert(binary_form=True)
    assert content is not None
    return x509.load_der_x509_certificate(content).not_valid_after_utc


def server_end(address: str, authority: Path | None, seconds: float = 5.0) -> datetime:
    """When the certificate of the server at HOST:PORT ends; OSError where it does not answer or is not valid.

    Without an ``authority`` it need not be valid: one that has expired is read as well.
    """
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host.strip("[]"), int(port)), seconds) as plain,
        context.wrap_socket(plain, server_hostname=host.strip("[]")) as connection,
    ):
        return peer_end(connection)


def invalid_words(address: str, error: ssl.SSLCertVerificationError) -> str:
    """A clause on the certificate of the server at HOST:PORT, which `server_end` or a connection found not valid."""
    return f"the certificate of {address} is not valid here: {error.verify_message}"


def days_left(end: datetime) -> int:
    """Whole days from now."""
    return (end - datetime.now(UTC)).days


def expiry_words(end: datetime, what: str) -> str:
    """A clause on a certificate that ends within `NOTICE` days; empty for one that lasts."""
    days = days_left(end)
    if days > NOTICE:
        return ""
    return f"{what} ends in {days} days, on {end:%Y-%m-%d}" if days >= 0 else f"{what} ended on {end:%Y-%m-%d}"
