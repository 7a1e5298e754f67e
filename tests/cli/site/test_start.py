"""The command ``site``: it checks first, and starts the SuperNode only if it may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from tests.conftest import TinyStore

Output = pytest.CaptureFixture[str]


@pytest.fixture
def file(tiny_store: TinyStore, tmp_path: Path) -> Path:
    store = tiny_store("a", patients=20)
    toml = tmp_path / "site.toml"
    toml.write_text(
        f'name = "a"\nrole = "train"\nstate = "{tmp_path / "state"}"\ndevice = "cpu"\n[stores]\nonly = "{store.path}"\n'
    )
    return toml


@pytest.mark.parametrize("command", [["site", "check", "FILE"], ["site", "FILE", "--check"]])
def test_check_prints_what_the_site_offers_and_starts_nothing(command: list[str], file: Path, capsys: Output) -> None:
    assert run([part.replace("FILE", str(file)) for part in command]) == 2
    shown = capsys.readouterr()
    assert "a: train" in shown.out
    assert "records of 20 patients" in shown.out
    assert shown.err.count("\n") == 1
    assert "a cannot take part: superlink: site.toml names no SuperLink" in shown.err
    assert "no app is approved: every run is refused" in shown.out


def test_check_as_json_says_whether_the_site_can_take_part(file: Path, capsys: Output) -> None:
    assert run(["site", "check", str(file), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["site"], found["can_take_part"]) == ("a", False)
    states = {step["step"]: step["state"] for step in found["steps"]}
    assert (states["stores"], states["key"], states["superlink"]) == ("ok", "skipped", "failed")


def test_a_plan_that_is_no_configuration_is_named(file: Path, capsys: Output) -> None:
    file.write_text('plan = "train.pears=8"\n' + file.read_text())
    assert run(["site", "check", str(file)]) == 2
    assert "site.toml: plan: unknown config key 'train.pears'" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: Output) -> None:
    assert run(["site", str(tmp_path / "none.toml")]) == 2
    said = capsys.readouterr().err
    assert "none.toml" in said
    assert said.count("\n") == 1
