"""The command ``cape-fed``: which commands there are and how they end."""

from __future__ import annotations

import os
import sys

import click
from safetensors import SafetensorError

from cape_fed.cli.group import command_group
from cape_fed.errors import InputError, RunError
from cape_fed.extras import explain

INTERRUPTED = 130
COMMANDS = (
    *("synth", "doctor", "ingest", "inspect", "pretrain", "simulate"),
    *("provision", "run", "status", "sites", "site"),
    *("evaluate", "compare", "finetune", "study", "search", "embed", "export", "serve", "release"),
    *("demo", "top", "metrics"),
)


app = command_group(
    "cape_fed.cli", COMMANDS, "Train one ECG encoder together with other hospitals; no recording leaves its hospital."
)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 if it is done, 2 after wrong usage or bad input, 1 after any other failure.

    A federated run that was stopped ends with 3, one whose process is gone with 4.
    """
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
    except ModuleNotFoundError as error:
        missing = explain(error)
        if missing is None:
            raise
        return _fail(missing, 2)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        return _fail("stopped", INTERRUPTED)
    except RunError as error:
        return _fail(str(error), error.code)
    except SafetensorError as error:
        return _fail(f"cannot write or read tensors: {error}", 1)
    except OSError as error:
        return _fail(_describe(error), 1)
    if code == INTERRUPTED:  # what Typer makes of Ctrl-C
        return _fail("stopped", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    print(f"cape-fed: {' '.join(message.split())}", file=sys.stderr)
    return code


def _describe(error: OSError) -> str:
    """A full disk, a missing permission or another error of the operating system in one line."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"
