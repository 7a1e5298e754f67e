"""How commands end: exit codes, and one line about what went wrong."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import click
import pytest
from safetensors import SafetensorError

from cape_fed.cli import main
from cape_fed.errors import InputError, RunError


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (InputError("no store at x:\n  ingest one"), 2, "no store at x: ingest one"),
        (click.UsageError("Missing argument 'OUT'."), 2, "Missing argument 'OUT'."),
        (RunError("the run has ended"), 1, "the run has ended"),
        (SafetensorError("header too large"), 1, "cannot write or read tensors: header too large"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), 1, "Permission denied: /data/x"),
        (click.Abort(), main.INTERRUPTED, "stopped"),
        (KeyboardInterrupt(), main.INTERRUPTED, "stopped"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: object) -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    assert main.run(["pretrain"]) == code
    assert capsys.readouterr() == ("", f"cape-fed: {says}\n")


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_without_an_error_ends_with_what_it_returns(
    returned: int | None, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "app", lambda **options: returned)
    with pytest.raises(SystemExit) as end:
        main.main(["pretrain"])
    assert end.value.code == code


def test_our_own_mistakes_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(ZeroDivisionError):
        main.run(["pretrain"])


def test_an_interrupted_process_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(main, "run", lambda arguments: main.INTERRUPTED)
    monkeypatch.setattr("os._exit", codes.append)
    with pytest.raises(SystemExit):
        main.main([])
    assert codes == [1]


def test_help_loads_neither_torch_nor_flower(tmp_path: Path) -> None:
    """Help appears at once because it does not import large packages."""
    code = (
        "import sys\nfrom cape_fed.cli.main import run\nassert run(['--help']) == 0\n"
        "print([name for name in ('torch', 'flwr', 'ray') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "pretrain" in done.stdout
    assert done.stderr.strip() == "[]"
