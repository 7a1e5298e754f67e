"""``cape-fed sites``: who is registered, and that a name has one key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from flwr.proto.node_pb2 import NodeInfo

from cape_fed.cli.main import run
from cape_fed.federation import superlink
from cape_fed.federation.keys import new_key, public_line
from cape_fed.federation.noted import note_run, noted_runs
from cape_fed.federation.superlink import Node, SuperLink

NODES = [
    Node(2, "a", True, 1_800_000_000.0),
    Node(3, "b", False, 1_800_000_060.0),
    Node(9, "b", False, None),
]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is asked of Flower's command line, beside which there is a SuperLink with three nodes."""
    made: list[list[str]] = []

    def call(self: SuperLink, command: str, arguments: Sequence[str]) -> dict[str, Any]:
        made.append([command, *arguments])
        return {"success": True, "node-id": 11}

    monkeypatch.setenv("FLWR_HOME", str(tmp_path / "flwr"))
    monkeypatch.setattr(SuperLink, "nodes", lambda self: NODES)
    monkeypatch.setattr(SuperLink, "_call", call)
    return made


def test_sites_are_shown_with_what_the_last_run_knew_of_them(
    calls: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, cohorts in (("old", ["x"]), ("new", ["a1", "a2"])):
        (tmp_path / name).mkdir()
        sites = {"a": {"role": "train", "cohorts": cohorts}, "b": {"role": None, "cohorts": []}}
        (tmp_path / name / "status.json").write_text(json.dumps({"sites": sites}))
        note_run(tmp_path / name)
    note_run(tmp_path / "gone")
    assert noted_runs() == [tmp_path / "gone", tmp_path / "new", tmp_path / "old"]
    assert run(["sites", "hospitals"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["NAME", "ONLINE", "LAST", "SEEN", "ROLE", "COHORTS", "NODE"],
        ["a", "yes", "2027-01-15T08:00:00Z", "train", "a1,", "a2", "2"],
        ["b", "(twice!)", "no", "2027-01-15T08:01:00Z", "not", "known", "yet", "–", "3"],
        ["b", "(twice!)", "no", "never", "not", "known", "yet", "–", "9"],
    ]
    assert run(["sites", "hospitals", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == {
        "name": "a", "node": "2", "online": True, "last_seen": "2027-01-15T08:00:00Z", "role": "train",
        "cohorts": ["a1", "a2"],
    }  # fmt: skip


def test_a_second_key_for_a_name_is_refused(
    calls: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "new.pub"
    key.write_bytes(public_line(new_key().public_key(), "new"))
    assert run(["sites", "hospitals", "--register", str(key), "--name", "a"]) == 2
    assert "the name a is taken by node 2" in capsys.readouterr().err
    assert calls == []
    assert run(["sites", "hospitals", "--register", str(key), "--name", "c"]) == 0
    assert calls == [["supernode", "register", str(key), "hospitals", "--name", "c"]]


def test_a_site_is_removed_by_its_name(calls: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sites", "hospitals", "--remove", "b"]) == 0
    assert [call[:3] for call in calls] == [["supernode", "unregister", "3"], ["supernode", "unregister", "9"]]
    assert run(["sites", "hospitals", "--remove", "z"]) == 2
    assert "no site is registered as z" in capsys.readouterr().err


def test_a_name_needs_a_key(calls: list[list[str]]) -> None:
    assert run(["sites", "hospitals", "--name", "a"]) == 2
    assert calls == []


def test_when_a_site_was_last_seen() -> None:
    there = NodeInfo(node_id=2, name="a", status="online", online_until=1060.0, heartbeat_interval=30.0)
    gone = NodeInfo(node_id=3, name="b", status="offline", last_deactivated_at="1970-01-01T00:10:00+00:00")
    new = NodeInfo(node_id=4, status="registered")
    nodes = [superlink._node(info) for info in (there, gone, new)]
    assert [(node.online, node.last_seen) for node in nodes] == [(True, 1000.0), (False, 600.0), (False, None)]
