"""The lock that keeps two writers apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.lock import locked, locked_in_turn


def test_second_holder_is_refused_and_the_next_is_not(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    with locked(lock), pytest.raises(InputError, match="another process is writing"), locked(lock):
        pass
    with locked(lock):
        pass


def test_a_lock_file_that_was_left_behind_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711")
    with locked(tmp_path / "lock"):
        (tmp_path / "lock").unlink()
        with locked(tmp_path / "lock"):
            pass


def test_waiting_for_a_turn_has_an_end_where_one_is_given(tmp_path: Path) -> None:
    with locked_in_turn(tmp_path / "lock"), pytest.raises(TimeoutError), locked_in_turn(tmp_path / "lock", 0.05):
        pass
    with locked_in_turn(tmp_path / "lock", 0.05):
        pass
