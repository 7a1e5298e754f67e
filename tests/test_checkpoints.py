"""Checkpoints are named by number, rotated, and passed over where they are damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cape_fed.checkpoints import Checkpoints, run_rounds, run_steps
from cape_fed.errors import InputError


def read(path: Path) -> str:
    text = (path / "state").read_text()
    if not text:
        raise InputError(f"{path.name} is empty")
    return text


def write(checkpoints: Checkpoints, number: int, text: str) -> None:
    with checkpoints.write(number) as partial:
        (partial / "state").write_text(text)


def test_names_sort_as_numbers(tmp_path: Path) -> None:
    assert run_steps(tmp_path).path(14).name == "step-00000014"
    assert run_rounds(tmp_path).path(3).name == "round-000003"
    rounds = run_rounds(tmp_path)
    for number in (9, 10, 100):
        write(rounds, number, "x")
    (tmp_path / "round-notes").mkdir()
    assert rounds.numbers() == [9, 10, 100]


def test_the_newest_stay(tmp_path: Path) -> None:
    rounds = run_rounds(tmp_path)
    for number in range(5):
        write(rounds, number, "x")
    rounds.keep_newest()
    assert rounds.numbers() == [3, 4]
    rounds.keep({3})
    assert rounds.numbers() == [3]


def test_nothing_is_there_before_the_first(tmp_path: Path) -> None:
    assert run_rounds(tmp_path / "nowhere").read_newest(read) is None


def test_the_newest_up_to_a_number_is_read(tmp_path: Path) -> None:
    rounds = run_rounds(tmp_path)
    for number in (1, 2, 4):
        write(rounds, number, str(number))
    assert rounds.read_newest(read) == (4, "4")
    assert rounds.read_newest(read, up_to=3) == (2, "2")
    assert rounds.read_newest(read, up_to=0) is None


def test_a_damaged_one_is_passed_over_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rounds = run_rounds(tmp_path)
    write(rounds, 1, "one")
    write(rounds, 2, "")
    with caplog.at_level(logging.WARNING):
        assert rounds.read_newest(read) == (1, "one")
    assert "round-000002 is damaged" in caplog.text
    write(rounds, 1, "")
    with pytest.raises(InputError, match="round-000001 is empty"):
        rounds.read_newest(read)


def test_what_fails_while_it_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    rounds = run_rounds(tmp_path)
    write(rounds, 1, "one")
    with pytest.raises(OSError, match="full"):
        _fail_to_write(rounds)
    assert rounds.read_newest(read) == (1, "one")


def _fail_to_write(rounds: Checkpoints) -> None:
    with rounds.write(1) as partial:
        (partial / "state").write_text("half")
        raise OSError("full")
