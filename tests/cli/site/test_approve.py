"""``cape-fed site approve``, ``apps`` and ``revoke``: an admin sees what runs before it may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from cape_fed.federation.fab import app_hash, pack, read_app
from cape_fed.site.approvals import Approvals
from cape_fed.site.node import read_site
from cape_fed.site.refused import RefusedApps
from tests.federation.test_fab import FILES

Output = pytest.CaptureFixture[str]
APP = pack(FILES)
HASH = read_app(APP).hash


@pytest.fixture
def file(tmp_path: Path) -> Path:
    toml = tmp_path / "site.toml"
    toml.write_text(f'name = "a"\nrole = "train"\nstate = "{tmp_path / "state"}"\n[stores]\nonly = "/nowhere"\n')
    return toml


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "toy.fab"
    path.write_bytes(APP)
    return path


def test_the_installed_app_is_approved_without_a_question(file: Path, capsys: Output) -> None:
    assert run(["site", "approve", str(file), "--same-as-installed"]) == 0
    shown = capsys.readouterr().out
    assert f"hash {app_hash()}" in shown
    assert "the same as the app of this installation" in shown
    assert f"{app_hash()}\n" in shown
    assert Approvals(read_site(file)).find(app_hash()) is not None
    assert run(["site", "approve", str(file), "--same-as-installed"]) == 0
    assert "approved already" in capsys.readouterr().out


def test_another_app_is_shown_and_nothing_is_approved_where_nobody_says_so(
    file: Path, saved: Path, capsys: Output
) -> None:
    assert run(["site", "approve", str(file), str(saved)]) == 2
    said = capsys.readouterr()
    assert "toy 1.2, 3 files" in said.out
    assert "NOT the same as the app of this installation" in said.out
    assert "gone    client/app.py" in said.out
    assert "nothing is approved" in said.err
    assert Approvals(read_site(file)).entries() == []


def test_the_difference_from_the_last_approved_app_is_shown_line_by_line(
    file: Path, saved: Path, capsys: Output
) -> None:
    assert run(["site", "approve", str(file), str(saved), "--yes"]) == 0
    other = pack({**FILES, "c.py": b"app = 2\nprint('\x1b[2Jhidden')\n", "new.py": b"1\n"})
    RefusedApps(file.parent / "state").keep(other, 4711)
    capsys.readouterr()
    assert run(["site", "approve", str(file), "4711", "--yes", "--diff"]) == 0
    shown = capsys.readouterr().out
    assert f"2 files differ from the app approved last ({HASH[:12]})" in shown
    for line in ("changed c.py (+2 -1 lines)", "-app = 1", "+app = 2", "new     new.py (+1 -0 lines)"):
        assert line in shown
    assert "\x1b" not in shown
    assert "+print('\\x1b[2Jhidden')" in shown


def test_apps_are_listed_and_revoked(file: Path, saved: Path, capsys: Output) -> None:
    assert run(["site", "apps", str(file)]) == 0
    assert "this site runs none" in capsys.readouterr().out
    RefusedApps(file.parent / "state").keep(b"other", 5)
    assert run(["site", "approve", str(file), str(saved), "--yes"]) == 0
    capsys.readouterr()
    assert run(["site", "apps", str(file)]) == 0
    shown = capsys.readouterr().out
    assert f"approved {HASH[:12]} toy 1.2, by " in shown
    assert "of run 5, 5 bytes" in shown
    assert run(["site", "apps", str(file), "--json"]) == 0
    lists = json.loads(capsys.readouterr().out)
    assert [one["hash"] for one in lists["approved"]] == [HASH]
    assert [one["run"] for one in lists["refused"]] == [5]
    assert run(["site", "revoke", str(file), HASH[:7]]) == 2
    assert run(["site", "revoke", str(file), HASH[:8]]) == 0
    assert Approvals(read_site(file)).entries() == []


def test_bad_input_is_one_line(file: Path, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "x.fab").write_bytes(b"x")
    for arguments, words in (
        ([], "name an app"),
        ([str(tmp_path / "x.fab"), "--same-as-installed"], "one of the two"),
        (["815"], "no app that was asked for"),
        ([str(tmp_path / "x.fab"), "--yes"], "no app bundle"),
    ):
        assert run(["site", "approve", str(file), *arguments]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
