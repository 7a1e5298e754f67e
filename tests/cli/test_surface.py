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
        "archive", "store", "--format", "--cohort", "--profile", "--workers", "--patient-namespace", "--common-gain",
        "--overwrite", "--json",
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
def test_help_shows_the_whole_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists of stores in brackets included, which look like markup."""
    example = "".join(str(command(name).help).split()).split("Example:")[1]
    assert run([name, "--help"]) == 0
    assert example.startswith(f"cape-fed{name}")
    assert example in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", SURFACE)
def test_help_explains_every_argument(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    shown = _words(capsys.readouterr().out)
    for parameter in command(name).params:
        if parameter.name != "help":
            explanation = getattr(parameter, "help", None)
            assert explanation, parameter.name
            assert set(_words(explanation)) <= set(shown), parameter.name


def _words(text: str) -> list[str]:
    return text.replace("│", " ").split()
