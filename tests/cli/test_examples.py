"""The examples in ``--help`` run as they are printed; settings that shorten the work are added here."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from tests.cli.test_surface import command
from tests.conftest import TinyStore

LESS = {
    "synth": ["--patients", "4", "--cohorts", "2"],
    "pretrain": ["train.steps=2", "train.pairs=8"],
    "simulate": ["federation.rounds=1", "federation.local_steps=1", "train.pairs=8", "federation.evaluate=false"],
    "embed": [],
}
WRITTEN = {
    "synth": "synthetic/cohorts.json",
    "pretrain": "runs/idb/bundle/model.safetensors",
    "simulate": "runs/fed/bundle/model.safetensors",
    "embed": "a.npz",
}


def example(name: str) -> list[str]:
    """The arguments of a command's example, without ``cape-fed``."""
    text = " ".join(str(command(name).help).partition("Example:")[2].split())
    return shlex.split(text)[1:]


@pytest.fixture
def stores(tmp_path: Path, tiny_store: TinyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder of the examples: stores/a to stores/d."""
    (tmp_path / "stores").mkdir()
    for name in "abcd":
        tiny_store(name, patients=20).path.rename(tmp_path / "stores" / name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize("name", LESS)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    if name == "embed":
        assert run([*example("pretrain"), *LESS["pretrain"]]) == 0
    assert run([*example(name), *LESS[name]]) == 0
    assert (tmp_path / WRITTEN[name]).is_file()
