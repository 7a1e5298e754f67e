"""The command line as users know it: a change here is a change for them."""

from __future__ import annotations

import pytest
from click import Command, Group
from typer.main import get_command

from cape_fed.cli.main import COMMANDS, app, run

SURFACE = {
    "synth": ["out", "--cohorts", "--patients", "--seed"],
    "doctor": ["archive", "--format", "--limit", "--names", "--json"],
    "ingest": [
        "archive", "store", "--format", "--cohort", "--profile", "--workers", "--patient-namespace",
        "--common-gain", "--overwrite", "--json",
    ],
    "inspect": ["store", "--plot", "--verify", "--json"],
    "pretrain": ["overrides"],
    "simulate": ["overrides"],
    "provision": ["federation", "out", "--renew"],
    "run": ["connection", "overrides", "--resume", "--other-code"],
    "status": ["directory", "--json"],
    "sites": ["connection", "--register", "--name", "--remove", "--json"],
    "site start": ["file", "--check"],
    "site enrol": ["kit", "--store", "--state", "--new-key"],
    "site check": ["file", "--json"],
    "site approve": ["file", "app", "--same-as-installed", "--diff", "--yes"],
    "site apps": ["file", "--json"],
    "site revoke": ["file", "app"],
    "site rehearse": ["file", "overrides"],
    "site train-locally": ["file", "out", "overrides"],
    "site metrics": ["file", "--listen"],
    "site report": ["file", "out", "--yes"],
    "site pause": ["file"],
    "site resume": ["file"],
    "site leave": ["file"],
    "site audit verify": ["file", "--head"],
    "site audit show": ["file", "--run", "--json"],
    "site budget": ["file", "--json"],
    "site roster": ["file", "--renew", "--unspent"],
    "evaluate": ["bundle", "overrides", "--json"],
    "compare": ["runs", "--out", "--json"],
    "finetune": ["bundle", "overrides", "--json"],
    "study": ["name", "overrides", "--question", "--workers", "--ray", "--resume", "--json"],
    "search": ["name", "overrides", "--recipes", "--workers", "--resume", "--json"],
    "embed": ["bundle", "store", "out", "--device"],
    "export": ["bundle", "--to", "--out", "--rate"],
    "serve": [
        "bundle", "--listen", "--name", "--device", "--certificate", "--key", "--client-ca", "--insecure", "--metrics",
        "--batch", "--queue", "--processes", "--max-message",
    ],
    "release audit": ["bundle", "stores", "--patients", "--views", "--seed", "--card", "--device", "--json"],
    "release card": ["bundle", "--evaluation", "--named", "--licence"],
    "demo": ["--out", "--seed"],
    "top": ["place", "--json", "--page", "--every"],
    "metrics": ["directory", "--listen", "--certificate"],
}  # fmt: skip


def command(name: str) -> Command:
    found = get_command(app)
    for part in name.split():
        assert isinstance(found, Group)
        inner = found.get_command(None, part)  # type: ignore[arg-type]
        assert inner is not None
        found = inner
    return found


def commands_of(name: str) -> list[str]:
    """A command, or in its place those of its group."""
    found = command(name)
    if not isinstance(found, Group):
        return [name]
    inner = found.list_commands(None)  # type: ignore[arg-type]
    return [whole for part in inner for whole in commands_of(f"{name} {part}")]


def test_the_commands() -> None:
    assert list(SURFACE) == [whole for name in COMMANDS for whole in commands_of(name)]


def test_a_group_passes_what_is_no_command_of_its_own_to_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["site", "none.toml", "--check"]) == 2
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.parametrize("name", SURFACE)
def test_the_arguments(name: str) -> None:
    names = []
    for parameter in command(name).params:
        long = [option for option in parameter.opts if option.startswith("--")]
        names.append(long[0] if long else parameter.name)
    assert sorted(map(str, names)) == sorted([*SURFACE[name], "--log-format"])


@pytest.mark.parametrize("name", SURFACE)
def test_help_shows_the_whole_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """This includes lists of stores in brackets, which look like markup."""
    example = "".join(str(command(name).help).split()).split("Example:")[1]
    assert run([*name.split(), "--help"]) == 0
    assert example.startswith(f"cape-fed{name.split()[0]}")
    assert example in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", SURFACE)
def test_help_explains_every_argument(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    shown = _words(capsys.readouterr().out)
    for parameter in command(name).params:
        if parameter.name != "help":
            explanation = getattr(parameter, "help", None)
            assert explanation, parameter.name
            assert set(_words(explanation)) <= set(shown), parameter.name


def _words(text: str) -> list[str]:
    return text.replace("│", " ").split()
