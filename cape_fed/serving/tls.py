"""The certificates of a server, read once and checked before it begins to listen."""

from __future__ import annotations

from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cape_fed.errors import InputError
from cape_fed.expiry import days_left
from cape_fed.serving.options import Identity, Tls


def read_identity(tls: Tls) -> Identity:
    """What the files hold; InputError where one cannot be read, the key does not fit or the certificate has ended."""
    certificate, key = _read(tls.certificate), _read(tls.key)
    authority = None if tls.client_authority is None else _read(tls.client_authority)
    try:
        chain = x509.load_pem_x509_certificates(certificate)
        fits = load_pem_private_key(key, None).public_key() == chain[0].public_key()
    except (ValueError, TypeError):  # TypeError where the key is encrypted
        fits = False
    if not fits:
        raise InputError(f"{tls.certificate} and {tls.key} are no certificate with its key, both PEM")
    end = min(one.not_valid_after_utc for one in chain)
    if days_left(chain[0].not_valid_after_utc) < 0:
        raise InputError(f"the certificate {tls.certificate} has ended: renew it")
    if authority is not None:
        try:
            x509.load_pem_x509_certificates(authority)
        except ValueError as error:
            raise InputError(f"{tls.client_authority} holds no certificate of an authority in PEM") from error
    return Identity(certificate, key, authority, end.timestamp())


def server_credentials(identity: Identity) -> grpc.ServerCredentials:
    """Credentials for gRPC."""
    authority = identity.client_authority
    return grpc.ssl_server_credentials(
        [(identity.key, identity.certificate)], authority, require_client_auth=authority is not None
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
