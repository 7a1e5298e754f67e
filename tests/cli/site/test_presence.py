"""What an admin says about taking part, and what he reads of what left."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.cli.main import run
from cape_fed.site.audit import read_entries, record
from cape_fed.site.node import read_site
from cape_fed.site.presence import read_mark

Output = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    toml = tmp_path / "site.toml"
    toml.write_text(f'name = "a"\nrole = "train"\nstate = "{tmp_path / "state"}"\n[stores]\nonly = "{tmp_path}"\n')
    return toml


def test_pause_resume_and_leave_are_put_down(file: Path, capsys: Output) -> None:
    site = read_site(file)
    marks = []
    for command in ("pause", "resume", "leave", "resume"):
        assert run(["site", command, str(file)]) == 0
        marks.append(read_mark(site))
    assert marks == ["paused", None, "left", None]
    assert [entry["kind"] for entry, _ in read_entries(site)] == ["paused", "resumed", "left", "resumed"]
    assert "a has left; removed what was kept of 0 runs" in capsys.readouterr().out


def test_audit_shows_what_belongs_to_a_run_and_verifies(file: Path, capsys: Output) -> None:
    site = read_site(file)
    for name in ("a" * 12, "b" * 12):
        record(site, "sent", run=name, round=3, records={"metrics": {"loss": 1.5}})
    assert run(["site", "audit", "show", str(file), "--run", "b" * 12]) == 0
    shown = capsys.readouterr().out
    assert "b" * 12 in shown
    assert "a" * 12 not in shown
    assert "metrics: loss 1.5" in shown
    assert run(["site", "audit", "verify", str(file)]) == 0
    head = capsys.readouterr().out.split()[-1]
    assert run(["site", "audit", "verify", str(file), "--head", head]) == 0
    path = site.state / "audit" / "log.jsonl"
    path.write_text(path.read_text().replace("1.5", "2.5"))
    capsys.readouterr()
    assert run(["site", "audit", "verify", str(file)]) == 1
    said = capsys.readouterr().err
    assert "was changed: entry 0" in said
    assert said.count("\n") == 1


def test_a_log_that_cannot_be_written_is_one_line(file: Path, capsys: Output) -> None:
    state = read_site(file).state
    state.mkdir()
    (state / "audit").write_text("in the way")
    assert run(["site", "pause", str(file)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
