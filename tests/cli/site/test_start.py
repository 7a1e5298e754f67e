"""The command ``site``: it checks first, and starts the SuperNode only if it may."""

from __future__ import annotations

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


def test_check_prints_what_the_site_offers_and_starts_nothing(file: Path, capsys: Output) -> None:
    assert run(["site", str(file), "--check"]) == 0
    shown = capsys.readouterr().out
    assert "a: train, on cpu" in shown
    assert "records of 20 patients" in shown


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: Output) -> None:
    assert run(["site", str(tmp_path / "none.toml")]) == 2
    said = capsys.readouterr().err
    assert "none.toml" in said
    assert said.count("\n") == 1
