"""Whether Flower can use a site's private key."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from cape_fed.errors import InputError
from cape_fed.federation.keys import fingerprint, is_usable
from cape_fed.site.check.finding import Finding, Subject, passed

MAKE = 'make one by cape-fed site enrol, or by ssh-keygen -t ecdsa -b 384 -N "" -f KEY'


def check_key(subject: Subject) -> Finding:
    """The key is a private one that Flower takes, without a passphrase, and only its owner can read it."""
    key = load_key(subject.access.key)
    return passed(f"{subject.access.key}, fingerprint {fingerprint(key.public_key())}")


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The site's private key; InputError saying what the file is instead."""
    where = f"superlink.key: {path}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror}): {MAKE}") from error
    if _is_public(content):
        private = path.with_suffix("") if path.suffix == ".pub" else "the file without .pub"
        raise InputError(f"{where} is the public half of a key: name the private one, {private}")
    if path.stat().st_mode & 0o077:
        raise InputError(f"{where}: others can read the key: chmod 600 {path}")
    key = _parse(where, path, content)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not is_usable(key.public_key()):
        kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
        raise InputError(f"{where} is a key of the type {kind}, and Flower takes ECDSA on a NIST curve: {MAKE}")
    return key


def _parse(where: str, path: Path, content: bytes) -> object:
    try:
        return load_ssh_private_key(content, None)
    except TypeError as error:
        raise InputError(
            f"{where} is protected by a passphrase, which a service cannot type: ssh-keygen -p -f {path} takes it off"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if b"PRIVATE KEY-----" in content and b"OPENSSH" not in content:
            raise InputError(
                f"{where} is in PEM format, not in that of OpenSSH: ssh-keygen -p -f {path} rewrites it"
            ) from error
        raise InputError(f"{where} is no private key in the format of OpenSSH: {MAKE}") from error


def _is_public(content: bytes) -> bool:
    try:
        load_ssh_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        return content.lstrip().startswith(b"-----BEGIN PUBLIC KEY")
    return True


def readable(path: Path, what: str) -> None:
    """InputError where a file of the site's cannot be read."""
    if not os.access(path, os.R_OK):
        raise InputError(f"superlink.{what}: cannot read {path}: give it to the user who runs the site")
