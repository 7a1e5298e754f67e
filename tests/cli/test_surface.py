"""The command line as users know it: a change here is a change for them."""

from __future__ import annotations

import pytest
from click import Command, Group
from typer.main import get_command

from cape_fed.cli.main import COMMANDS, app, run

SURFACE = {
    "synth": ["out", "--cohorts", "--patients", "--seed"],
    "doctor": ["archive", "--format", "--limit", "--json"],
    "ingest": [
        "archive", "store", "--format", "--cohort", "--profile", "--workers", "--patient-namespace", "--overwrite",
        "--json",
    ],
    "inspect": ["store", "--plot", "--verify", "--json"],
    "pretrain": ["overrides"],
    "simulate": ["overrides"],
    "run": ["connection", "overrides", "--resume"],
    "site": ["file", "--check"],
    "evaluate": ["bundle", "overrides", "--json"],
    "compare": ["runs", "--out", "--json"],
    "finetune": ["bundle", "overrides", "--json"],
    "study": ["name", "overrides", "--question", "--workers", "--ray", "--resume", "--json"],
    "embed": ["bundle", "store", "out", "--device"],
    "demo": ["--out", "--seed"],
}  # fmt: skip


def command(name: str) -> Command:
    group = get_command(app)
    assert isinstance(group, Group)
    found = group.get_command(None, name)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_commands() -> None:
    assert tuple(SURFACE) == COMMANDS


@pytest.mark.parametrize("name", SURFACE)
def test_the_arguments(name: str) -> None:
    names = []
    for parameter in command(name).params:
        long = [option for option in parameter.opts if option.startswith("--")]
        names.append(long[0] if long else parameter.name)
    assert sorted(map(str, names)) == sorted(SURFACE[name])


@pytest.mark.parametrize("name", SURFACE)
def test_help_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"cape-fed {name}" in " ".join(capsys.readouterr().out.split()).split("Example:")[1]
