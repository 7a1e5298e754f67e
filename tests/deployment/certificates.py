"""Certificates and keys as openssl and ssh-keygen would make them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """Files of a certificate authority and of the server certificate that it signed."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(
    folder: Path, *, names: Iterable[str] = (), valid: tuple[timedelta, timedelta] | None = None
) -> Certificates:
    """Write a certificate authority and a server certificate for 127.0.0.1, localhost and ``names`` (or addresses).

    ``valid`` is the validity of the server certificate, from now: ``(timedelta(-2), timedelta(-1))`` has expired.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start, end = valid or (timedelta(hours=-1), timedelta(days=7))
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    now = datetime.now(UTC)

    def certificate(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, since: timedelta, until: timedelta
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now + since).not_valid_after(now + until)

    root = certificate(issuer, authority.public_key(), timedelta(days=-30), timedelta(days=60))
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    leaf = certificate(subject, server.public_key(), start, end)
    alternatives = [_alternative_name(name) for name in ("127.0.0.1", "localhost", *names)]
    leaf = leaf.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    files = Certificates(folder / "ca.crt", folder / "server.pem", folder / "server.key")
    for path, builder in ((files.ca, root), (files.certificate, leaf)):
        path.write_bytes(builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _write_secret(files.key, _private(server, serialization.PrivateFormat.PKCS8))
    return files


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def make_key(folder: Path, name: str) -> Path:
    """Write an OpenSSH key pair (EC P-384), ``name`` and ``name.pub``; return the path of the private key."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP384R1())
    path = folder / name
    _write_secret(path, _private(key, serialization.PrivateFormat.OpenSSH))
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_name(f"{name}.pub").write_bytes(public + f" {name}\n".encode())
    return path


def _private(key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
