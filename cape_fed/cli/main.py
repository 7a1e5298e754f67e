"""The command ``cape-fed``: which commands there are and how they end."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click
import typer
from safetensors import SafetensorError
from typer.core import TyperGroup

from cape_fed.errors import InputError, RunError

INTERRUPTED = 130
COMMANDS = (
    *("synth", "doctor", "ingest", "inspect", "pretrain", "simulate"),
    *("run", "site", "evaluate", "compare", "finetune", "study", "embed", "demo"),
)


# Rich markup would take the stores of an example, [a,b], for the name of a style and leave them out.
_STYLE: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": "markdown"}


class _Commands(TyperGroup):
    """Imports the module of a command when the command is used, so that ``--help`` does not wait for PyTorch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        function = getattr(importlib.import_module(f"cape_fed.cli.{cmd_name}"), cmd_name)
        app = typer.Typer(**_STYLE)
        app.command(name=cmd_name)(function)
        return typer.main.get_command(app)


app = typer.Typer(cls=_Commands, no_args_is_help=True, **_STYLE)


@app.callback()
def cape_fed() -> None:
    """Train one ECG encoder together with other hospitals; no recording leaves its hospital."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 if it is done, 2 after wrong usage or bad input, 1 after any other failure."""
    code = run(arguments)
    if code == INTERRUPTED:
        # The sites of a simulation are threads that would finish their round first. Their files are complete or absent.
        sys.stderr.flush()
        os._exit(1)
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code, or INTERRUPTED after Ctrl-C."""
    try:
        code = app(args=arguments, prog_name="cape-fed", standalone_mode=False)
    except InputError as error:
        return _fail(str(error), 2)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        return _fail("stopped", INTERRUPTED)
    except RunError as error:
        return _fail(str(error), 1)
    except SafetensorError as error:
        return _fail(f"cannot write or read tensors: {error}", 1)
    except OSError as error:
        return _fail(_describe(error), 1)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    print(f"cape-fed: {' '.join(message.split())}", file=sys.stderr)
    return code


def _describe(error: OSError) -> str:
    """A full disk, a missing permission or another error of the operating system in one line."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"
