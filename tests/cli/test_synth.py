"""The command ``synth`` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.cli.main import run


def test_command_writes_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["synth", str(tmp_path / "out"), "--cohorts", "2", "--patients", "3", "--seed", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 2
    assert out[1].startswith("synth-e  evaluate")
    assert (tmp_path / "out" / "synth-a" / "RECORDS").exists()


@pytest.mark.parametrize(
    "arguments", [["--cohorts", "0"], ["--patients", "0"], ["--seed", "-1"], ["--patients", "many"]]
)
def test_bad_arguments_end_with_2_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(["synth", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
