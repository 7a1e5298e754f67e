"""What is no public key of a site on the roster is refused before Flower is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cape_fed.cli.main import run
from cape_fed.federation.keys import fingerprint, new_key, private_bytes, public_line, read_public
from cape_fed.federation.superlink import Node, SuperLink
from cape_fed.provision.provision import provision
from tests.provision.test_provision import FEDERATION

Output = pytest.CaptureFixture[str]


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    provision(FEDERATION, tmp_path / "kits")
    return tmp_path / "kits" / "coordinator"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Flower's command line was asked for, beside a SuperLink that knows hospital-b."""
    calls: list[list[str]] = []

    def call(self: SuperLink, command: str, arguments: Sequence[str]) -> dict[str, Any]:
        calls.append([command, arguments[0], *arguments[2:]])
        return {"success": True, "node-id": 7}

    monkeypatch.setenv("FLWR_HOME", "replaced by the kit's")
    monkeypatch.setattr(SuperLink, "_call", call)
    monkeypatch.setattr(SuperLink, "nodes", lambda self: [Node(3, "hospital-b", True, None)])
    return calls


def public(folder: Path, name: str) -> Path:
    path = folder / f"{name}.pub"
    path.write_bytes(public_line(new_key().public_key(), name))
    return path


def test_a_key_is_registered_under_the_name_of_its_file(
    kit: Path, asked: list[list[str]], tmp_path: Path, capsys: Output
) -> None:
    file = public(tmp_path, "hospital-a")
    assert run(["sites", str(kit), "--register", str(file)]) == 0
    assert asked[0] == ["supernode", "register", "hearts", "--name", "hospital-a"]
    assert fingerprint(read_public(file.read_bytes())) in capsys.readouterr().out


PICKLE = b"\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94."


def test_what_is_no_public_key_of_a_site_is_refused_and_flower_is_not_asked(
    kit: Path, asked: list[list[str]], tmp_path: Path, capsys: Output
) -> None:
    private, pickled = tmp_path / "hospital-a", tmp_path / "pickle" / "hospital-a.pub"
    private.write_bytes(private_bytes(new_key()))
    pickled.parent.mkdir()
    pickled.write_bytes(PICKLE)
    for file, words in (
        (public(tmp_path, "hospital-z"), "hospital-z is not on the roster"),
        (public(tmp_path, "hospital-b"), "the name hospital-b is taken"),
        (private, "is a private key, which has to stay at the site"),
        (pickled, "is no public key"),
        (tmp_path / "none.pub", "No such file"),
    ):
        assert run(["sites", str(kit), "--register", str(file)]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
    assert asked == []
