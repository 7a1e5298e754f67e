"""The command ``doctor`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from tests.archive.files import counts, ecg, write_wfdb


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for seed in range(3):
        write_wfdb(tmp_path / "archive" / str(seed), counts(ecg(seed)), comments=["Age: 50"])
    return tmp_path / "archive"


def test_the_report_goes_to_stdout_alone(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", str(archive), "--format", "wfdb"]) == 0
    out, err = capsys.readouterr()
    assert "3 records" in out
    assert "NO_PATIENT: 3" in out
    assert err == ""


def test_json_and_limit(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", str(archive), "--format", "wfdb", "--json", "--limit", "2"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["records"], report["complete"]) == (2, False)


@pytest.mark.parametrize(
    ("path", "name", "words"),
    [("none", "wfdb", "no archive"), ("archive", "ptbxl", "--format wfdb"), ("archive", "edf", "choose one of")],
)
def test_bad_input_is_one_line(
    archive: Path, capsys: pytest.CaptureFixture[str], path: str, name: str, words: str
) -> None:
    assert run(["doctor", str(archive.parent / path), "--format", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1
