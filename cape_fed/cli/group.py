"""Groups of commands whose modules are imported when a command is used."""

from __future__ import annotations

import importlib
from typing import Any

import click
import typer
from typer.core import TyperGroup, TyperOption

from cape_fed.logs import FORMATS, choose_format, log_to_stderr

# Rich markup would take the stores of an example, [a,b], for the name of a style and leave them out.
STYLE: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": "markdown"}


class CommandGroup(TyperGroup):
    """The commands that a package lists in ``COMMANDS``, so that ``--help`` does not wait for PyTorch.

    ``PACKAGE.NAME`` is a module with a function of that name, or a package with commands of its own, its ``HELP`` and
    perhaps a ``DEFAULT``: the command that is meant where the first argument is none of its commands. Where a command's
    name has hyphens, those of module and function have underscores.
    """

    package: str
    commands_listed: tuple[str, ...]
    default: str | None = None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, as listed."""
        return list(self.commands_listed)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, its module imported now."""
        if cmd_name not in self.commands_listed:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"{self.package}.{name}")
        if hasattr(module, "COMMANDS"):
            return typer.main.get_command(command_group(module.__name__, module.COMMANDS, module.HELP, module.DEFAULT))
        app = typer.Typer(**STYLE)
        app.command(name=cmd_name)(getattr(module, name))
        command = typer.main.get_command(app)
        command.params.append(_log_format())
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of arguments that begin with no command."""
        if self.default and args and args[0] not in (*self.commands_listed, "--help"):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def command_group(package: str, commands: tuple[str, ...], text: str, default: str | None = None) -> typer.Typer:
    """An app of the ``commands`` in ``package``; ``text`` is its help."""
    members = {"package": package, "commands_listed": commands, "default": default}
    app = typer.Typer(cls=type("Commands", (CommandGroup,), members), no_args_is_help=True, help=text, **STYLE)
    app.callback()(lambda: None)
    return app


def _log_format() -> TyperOption:
    """The option that every command has."""

    def choose(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            choose_format(value)
            log_to_stderr()

    return TyperOption(
        param_decls=["--log-format"],
        type=click.Choice(FORMATS),
        expose_value=False,
        callback=choose,
        help="How log lines look, here and in what this starts.",
    )
