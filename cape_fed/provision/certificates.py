"""A federation's certificate authority and the certificate of its server.

Both can be renewed with the keys that they have: what is signed by the authority's key stays valid for whoever holds an
earlier certificate of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS, SERVER_DAYS = 1825, 397
EARLY = timedelta(hours=1)
"""Certificates begin this long ago, for clocks that are behind."""


def new_key() -> bytes:
    """A new private key for TLS, PEM without a passphrase."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def authority_certificate(key: bytes, federation: str, *, days: float = AUTHORITY_DAYS) -> bytes:
    """The authority's certificate, PEM, signed by itself; ``days`` from now until it ends."""
    private = _load(key)
    name = _name(f"Authority of the federation {federation}")
    builder = _builder(name, name, private.public_key(), days)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM)


def server_certificate(
    authority_key: bytes, authority: bytes, key: bytes, names: Sequence[str], *, days: float = SERVER_DAYS
) -> bytes:
    """The server's certificate, PEM, for every one of ``names``: host names or addresses."""
    private, signer = _load(key), _load(authority_key)
    issuer = x509.load_pem_x509_certificate(authority)
    builder = _builder(_name(names[0]), issuer.subject, private.public_key(), days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)


def names_of(certificate: bytes) -> list[str]:
    """Names and addresses that a certificate is for."""
    found = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(entry.value) for entry in found.value]


def _load(key: bytes) -> ec.EllipticCurvePrivateKey:
    private = load_pem_private_key(key, None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is not one that cape-fed made")
    return private


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(min(now, now + timedelta(days=days)) - EARLY).not_valid_after(
        now + timedelta(days=days)
    )


def _name(text: str) -> x509.Name:
    """A text as the name of who has a certificate, which may have 64 characters."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
