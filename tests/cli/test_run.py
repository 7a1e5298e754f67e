"""The command ``run``: which arguments go together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cape_fed.cli.main import run

Output = pytest.CaptureFixture[str]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """What the command asked for; nothing is started."""
    calls: list[object] = []

    def start(connection: str, overrides: Sequence[str]) -> Path:
        calls.append((connection, list(overrides)))
        return tmp_path

    def resume(directory: Path, *, other_code: bool) -> Path:
        calls.append((directory, other_code) if other_code else directory)
        return directory

    monkeypatch.setattr("cape_fed.cli.remote.start_run", start)
    monkeypatch.setattr("cape_fed.cli.remote.resume_run", resume)
    return calls


def test_a_connection_and_settings_start_a_run(called: list[object], tmp_path: Path, capsys: Output) -> None:
    assert run(["run", "hospitals", "experiment=base", "out=x"]) == 0
    assert called == [("hospitals", ["experiment=base", "out=x"])]
    assert capsys.readouterr().out == f"{tmp_path / 'bundle'}\n"


def test_resume_takes_a_directory(called: list[object], tmp_path: Path) -> None:
    assert run(["run", "--resume", str(tmp_path)]) == 0
    assert called == [tmp_path]
    assert run(["run", "--resume", str(tmp_path), "--other-code"]) == 0
    assert called[1:] == [(tmp_path, True)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a SuperLink first"),
        (["experiment=base", "out=x"], "name a SuperLink first"),
        (["hospitals", "--resume", "x"], "give it alone"),
    ],
)
def test_other_combinations_are_refused(arguments: list[str], says: str, called: list[object], capsys: Output) -> None:
    assert run(["run", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert called == []
