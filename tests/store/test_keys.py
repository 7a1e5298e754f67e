"""Salt and patient keys."""

from __future__ import annotations

import hashlib
import hmac
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.store.keys import patient_key, salt_check, salt_path, site_salt, unknown_patient_key

SALT = bytes(32)


def test_key_is_the_documented_hmac() -> None:
    expected = hmac.new(SALT, b"patient\0ptbxl\x0015709.0", hashlib.sha256).hexdigest()[:16]
    assert patient_key(SALT, "ptbxl", "15709.0") == expected


def test_keys_differ_by_salt_namespace_id_and_kind() -> None:
    keys = {
        patient_key(SALT, "a", "1"),
        patient_key(b"s" * 32, "a", "1"),
        patient_key(SALT, "b", "1"),
        patient_key(SALT, "a", "2"),
        patient_key(SALT, "a", "\udcff"),
        unknown_patient_key(SALT, "a", "1"),
        salt_check(SALT),
    }
    assert len(keys) == 7


def test_salt_is_made_once_and_only_for_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAPE_FED_SALT_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        salts = set(pool.map(lambda _: site_salt(), range(32)))
    assert len(salts) == 1
    assert len(salts.pop()) == 32
    assert salt_path() == tmp_path / "cape-fed" / "salt"
    assert stat.S_IMODE(salt_path().stat().st_mode) == 0o600
    assert [path.name for path in salt_path().parent.iterdir()] == ["salt"]


def test_named_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_bytes(b"x" * 40)
    monkeypatch.setenv("CAPE_FED_SALT_FILE", str(tmp_path / "mine"))
    assert site_salt() == b"x" * 40


def test_unusable_salt_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "salt"
    monkeypatch.setenv("CAPE_FED_SALT_FILE", str(path))
    path.write_bytes(b"short")
    with pytest.raises(InputError, match="has 5 bytes, not 32"):
        site_salt()
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        site_salt()
    monkeypatch.setenv("CAPE_FED_SALT_FILE", str(path / "salt" / "below"))
    (path / "salt").touch()
    with pytest.raises(InputError, match="CAPE_FED_SALT_FILE"):
        site_salt()
