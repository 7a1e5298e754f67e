"""The certificates of a server, checked before it begins to listen."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from cape_fed.errors import InputError
from cape_fed.expiry import certificate_end, days_left
from cape_fed.serving.options import Tls


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Credentials for gRPC; InputError where a file cannot be read, the key does not fit or the certificate ended."""
    certificate, key = _read(tls.certificate), _read(tls.key)
    authority = None if tls.client_authority is None else _read(tls.client_authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise InputError(f"{tls.certificate} and {tls.key} are no certificate with its key, both PEM") from error
    if days_left(certificate_end(tls.certificate)) < 0:
        raise InputError(f"the certificate {tls.certificate} has ended: renew it")
    if authority is not None:
        try:
            context.load_verify_locations(tls.client_authority)
        except ssl.SSLError as error:
            raise InputError(f"{tls.client_authority} holds no certificate of an authority in PEM") from error
    return grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=authority is not None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted")
