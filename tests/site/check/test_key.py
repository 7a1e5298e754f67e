"""What is wrong with a key is said before Flower meets it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cape_fed.errors import InputError
from cape_fed.federation.keys import fingerprint, new_key, private_bytes, public_line, read_public
from cape_fed.site.check.key import load_key


def ssh(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "ed25519": (lambda: ssh(ed25519.Ed25519PrivateKey.generate()), "type Ed25519"),
    "rsa": (lambda: ssh(rsa.generate_private_key(65537, 2048)), "type RSA"),
    "pem": (
        lambda: new_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "PEM format",
    ),
    "rubbish": (lambda: b"\x80\x04\x95 not a key", "no private key in the format of OpenSSH"),
    "empty": (lambda: b"", "no private key in the format of OpenSSH"),
    "public": (lambda: public_line(new_key().public_key(), "a"), "public half of a key"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_key_is_called_what_it_is(kind: str, tmp_path: Path) -> None:
    make, words = WRONG[kind]
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(make())
    with pytest.raises(InputError, match=words):
        load_key(path)


def test_a_passphrase_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key"
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is missing: only it writes keys with a passphrase")
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "secret", "-f", str(path)], check=True)
    with pytest.raises(InputError, match="protected by a passphrase"):
        load_key(path)


def test_the_public_half_is_named_before_its_mode_is(tmp_path: Path) -> None:
    path = tmp_path / "a.key.pub"
    path.write_bytes(public_line(new_key().public_key(), "a"))
    path.chmod(0o644)
    with pytest.raises(InputError, match=f"name the private one, {tmp_path / 'a.key'}") as caught:
        load_key(path)
    assert "chmod" not in str(caught.value)


def test_a_good_key_loads_unless_others_can_read_it(tmp_path: Path) -> None:
    key, path = new_key(), tmp_path / "a.key"
    path.touch(mode=0o600)
    path.write_bytes(private_bytes(key))
    assert fingerprint(load_key(path).public_key()) == fingerprint(key.public_key())
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        load_key(path)


def test_a_key_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cape-fed site enrol"):
        load_key(tmp_path / "none")


def test_the_public_half_reads_back_and_a_private_one_is_refused() -> None:
    key = new_key()
    assert fingerprint(read_public(public_line(key.public_key(), "a"))) == fingerprint(key.public_key())
    with pytest.raises(ValueError, match="has to stay at the site"):
        read_public(private_bytes(key))
    with pytest.raises(ValueError, match="no public key"):
        read_public(b"\x80\x04K\x01.")
