"""One key a name: what is refused before Flower is asked, and what is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.federation.keys import new_key, private_bytes, public_line
from cape_fed.federation.kit import CoordinatorKit, find_kit
from cape_fed.federation.superlink import SuperLink
from cape_fed.provision.provision import provision
from cape_fed.provision.registration import register, registered
from tests.provision.test_provision import FEDERATION


@pytest.fixture
def kit(tmp_path: Path) -> CoordinatorKit:
    provision(FEDERATION, tmp_path / "kits")
    found = find_kit(str(tmp_path / "kits" / "coordinator"))
    assert found is not None
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Flower's command line was asked for."""
    calls: list[str] = []

    def call(self: SuperLink, command: str, arguments: list[str]) -> dict[str, object]:
        calls.append(f"{command} {' '.join(arguments[1:])}")
        return {"success": True, "node-id": 7 + len(calls)}

    monkeypatch.setattr(SuperLink, "_call", call)
    return calls


def public(folder: Path, name: str) -> Path:
    path = folder / f"{name}.pub"
    path.write_bytes(public_line(new_key().public_key(), name))
    return path


def test_a_key_is_registered_under_the_name_of_its_file(kit: CoordinatorKit, asked: list[str], tmp_path: Path) -> None:
    file = public(tmp_path, "hospital-a")
    name, shown = register(kit, file)
    assert (name, asked) == ("hospital-a", ["supernode register hearts --name hospital-a"])
    assert registered(kit)["hospital-a"].fingerprint == shown
    with pytest.raises(InputError, match="registered already, as hospital-a"):
        register(kit, file)


def test_a_second_key_for_a_name_is_refused_unless_it_replaces_the_first(
    kit: CoordinatorKit, asked: list[str], tmp_path: Path
) -> None:
    _, first = register(kit, public(tmp_path, "hospital-a"))
    second = public(tmp_path, "hospital-a")
    with pytest.raises(InputError, match="hospital-a has a key already"):
        register(kit, second)
    assert registered(kit)["hospital-a"].fingerprint == first
    register(kit, second, replace=True)
    assert asked[1:] == ["supernode unregister hearts", "supernode register hearts --name hospital-a"]
    assert registered(kit)["hospital-a"].fingerprint != first


def test_what_is_no_public_key_of_a_site_is_refused_and_flower_is_not_asked(
    kit: CoordinatorKit, asked: list[str], tmp_path: Path
) -> None:
    stranger = public(tmp_path, "hospital-z")
    private = tmp_path / "hospital-a"
    private.write_bytes(private_bytes(new_key()))
    pickled = tmp_path / "hospital-b.pub"
    pickled.write_bytes(b"\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.")
    for file, words in (
        (stranger, "hospital-z is not on the roster"),
        (private, "is a private key, which has to stay at the site"),
        (pickled, "is no public key"),
        (tmp_path / "none.pub", "No such file"),
    ):
        with pytest.raises(InputError, match=words):
            register(kit, file)
    assert asked == []
    assert registered(kit) == {}
