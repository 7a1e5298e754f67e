"""Patient keys: salted hashes that stand for a patient where the source's id must not go."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from cape_fed.errors import InputError

SALT_BYTES = 32
SALT_VARIABLE = "CAPE_FED_SALT_FILE"
KEY_DIGITS = 16


def salt_path() -> Path:
    """File that holds the site's salt: ``$CAPE_FED_SALT_FILE``, else ``cape-fed/salt`` in the user's configuration."""
    if named := os.environ.get(SALT_VARIABLE):
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "cape-fed" / "salt"


def site_salt() -> bytes:
    """Read the site's salt, made of random bytes and readable by its owner only at first use.

    Whoever has it can test whether an id is in a store, and without it no store can be extended: keep it at the site.
    Raises InputError where the file cannot be read, made, or is too short to be a salt.
    """
    path = salt_path()
    try:
        if not path.exists():
            _create(path)
        salt = path.read_bytes()
    except OSError as error:
        raise InputError(f"salt file {path}: {error.strerror}: make it accessible or set {SALT_VARIABLE}") from None
    if len(salt) < SALT_BYTES:
        raise InputError(f"salt file {path} has {len(salt)} bytes, not {SALT_BYTES}: restore it or remove it")
    return salt


def patient_key(salt: bytes, namespace: str, patient: str) -> str:
    """Key of a patient: the first 16 hex digits of HMAC-SHA256 over namespace and id.

    The namespace, by default the cohort, keeps equal ids of unrelated hospitals apart.
    """
    return _key(salt, "patient", namespace, patient)


def unknown_patient_key(salt: bytes, namespace: str, source: str) -> str:
    """Key of the patient of a record, or of the records of one file, without a patient id: never equal to another's."""
    return _key(salt, "record", namespace, source)


def file_key(salt: bytes, file: str) -> str:
    """Key of a file below its archive, whose name may be that of a patient."""
    return _key(salt, "file", file)


def salt_check(salt: bytes) -> str:
    """A few digits that change with the salt and do not give it away."""
    return _key(salt, "check")


def _key(salt: bytes, *parts: str) -> str:
    message = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hmac.new(salt, message, hashlib.sha256).hexdigest()[:KEY_DIGITS]


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # two first uses at the same time must agree on one salt: a link, unlike a rename, replaces nothing
    handle, fresh = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SALT_BYTES))
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        Path(fresh).unlink()
