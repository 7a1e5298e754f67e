"""Keys by which sites prove who they are: ECDSA, as Flower takes them, in the files that OpenSSH writes."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)

CURVES = ("secp256r1", "secp384r1", "secp521r1")


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new key on the curve P-384."""
    return ec.generate_private_key(ec.SECP384R1())


def private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private half as OpenSSH writes it, without a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def public_line(key: ec.EllipticCurvePublicKey, name: str) -> bytes:
    """The public half as one line that ends with the site's name."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + f" {name}\n".encode()


def read_public(content: bytes) -> ec.EllipticCurvePublicKey:
    """The public half in a file; ValueError saying what it is instead."""
    if b"PRIVATE KEY" in content:
        raise ValueError("is a private key, which has to stay at the site: ask for the file that ends in .pub")
    try:
        key = load_ssh_public_key(content)
    except Exception as error:
        raise ValueError("is no public key in the format of OpenSSH") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_usable(key):
        raise ValueError("is of a type that Flower does not take: it has to be ECDSA on a NIST curve")
    return key


def is_usable(key: object) -> bool:
    """Whether Flower takes a public key."""
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """What ``ssh-keygen -lf`` shows of a key: short enough to be compared by telephone."""
    blob = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    digest = sha256(b64decode(blob)).digest()
    return "SHA256:" + b64encode(digest).decode().rstrip("=")
