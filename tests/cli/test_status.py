"""``cape-fed status``: where a run is, and what to do next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cape_fed.cli.main import run
from cape_fed.lock import locked
from cape_fed.rundir import LOCK_FILE

SITES = {
    "a": {
        "online": True, "role": "train", "cohorts": ["a"], "rounds": 3, "patients": 24, "last_round": 2,
        "quarantined": None,
    },
    "b": {
        "online": False, "role": "train", "cohorts": ["b"], "rounds": 1, "patients": 16, "last_round": 0,
        "quarantined": "cannot use its stores",
    },
    "d": {
        "online": True, "role": "evaluate", "cohorts": ["d"], "rounds": 0, "patients": 0, "last_round": None,
        "quarantined": None,
    },
}  # fmt: skip
FIELDS = {"flower_run": 7, "run": "0123456789ab", "rounds": 8, "rounds_done": 3, "sites": SITES, "app": "c0de"}


def write(out: Path, **fields: Any) -> None:
    (out / "status.json").write_text(json.dumps({**FIELDS, **fields}))
    (out / "superlink.json").write_text(json.dumps({"connection": "hospitals", "run": 7}))


@pytest.mark.parametrize(
    ("fields", "code", "words", "step"),
    [
        ({"state": "finished"}, 0, "is finished", "cape-fed evaluate"),
        ({"state": "failed", "code": 1, "error": "below quorum"}, 1, "failed: below quorum", "run --resume"),
        ({"state": "failed", "code": 2, "error": "no b", "rounds_done": 0}, 2, "failed: no b", "start it again"),
        ({"state": "stopped", "code": 3}, 3, "was stopped", "run --resume"),
        ({"state": "running"}, 4, "is lost", "run --resume"),
    ],
)
def test_each_state_has_its_words_its_exit_code_and_a_next_step(
    tmp_path: Path, fields: dict[str, Any], code: int, words: str, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, **fields)
    assert run(["status", str(tmp_path)]) == code
    first, *rest = capsys.readouterr().out.splitlines()
    assert words in first
    assert step in rest[-1]
    assert rest[-1].startswith("next: ")


def test_a_run_that_goes_on_says_who_is_awaited_and_who_takes_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, state="running", awaited=["a"])
    with locked(tmp_path / LOCK_FILE):
        assert run(["status", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "goes on (3 of 8 rounds done)" in said
    assert "awaiting a\n" in said
    assert "  a: online, train, a, 3 rounds, 24 patients\n" in said
    assert "  b: away, train, b, 1 rounds, 16 patients, quarantined: cannot use its stores\n" in said
    assert "flwr stop 7 hospitals stops it" in said


def test_for_machines_it_is_the_file_with_the_state_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, state="running")
    assert run(["status", str(tmp_path), "--json"]) == 4
    assert json.loads(capsys.readouterr().out) == {**FIELDS, "state": "lost"}


def test_a_directory_without_a_run_is_an_input_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
