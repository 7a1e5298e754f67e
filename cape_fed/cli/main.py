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


# Not rich markup, which takes a list of stores in an example, [a,b], for a style and leaves it out.
_STYLE: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": "markdown"}


class _Commands(TyperGroup):
    """Imports a command's module when it is asked for, so that ``--help`` does not wait for PyTorch."""

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
    """One ECG encoder from many hospitals, without a recording leaving any of them."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 bad usage or input in one line, 1 anything else."""
    code = run(arguments)
    if code == INTERRUPTED:
        # Sites of a simulation are threads in the middle of a round; what they write is whole or absent.
        sys.stderr.flush()
        os._exit(1)
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code, or INTERRUPTED."""
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
    """A full disk, a missing permission and their kind in one line."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"
