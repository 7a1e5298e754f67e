"""The ledger holds: restarts, replays, concurrency, tampering, older files, and another site's hands."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from cape_fed.privacy.ledger import LEDGER_FILE, Ledger, LedgerError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "privacy"


def ledger_in(folder: Path, site: str = "a") -> Ledger:
    return Ledger(folder, site, folder.parent.parent / "anchor")


def add(ledger: Ledger, steps: int, request: str | None = None) -> None:
    ledger.append("reserved", {"roster": "r", "run": "x", "steps": steps}, request=request)


def steps_of(ledger: Ledger) -> list[int]:
    return [entry.body["steps"] for entry in ledger.entries() if entry.kind == "reserved"]


def tamper(folder: Path, *statements: str) -> None:
    with sqlite3.connect(folder / LEDGER_FILE) as connection:
        for name in ("kept", "stays", "fixed", "frozen"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


def test_what_is_entered_is_there_after_a_restart(folder: Path) -> None:
    assert ledger_in(folder).entries() == []
    add(ledger_in(folder), 3)
    add(ledger_in(folder), 4)
    assert [entry.kind for entry in ledger_in(folder).entries()] == ["opened", "reserved", "reserved"]
    assert steps_of(ledger_in(folder)) == [3, 4]


def test_a_request_counts_once(folder: Path) -> None:
    add(ledger_in(folder), 3, "one")
    with pytest.raises(LedgerError, match="site a: request one was in the ledger already"):
        add(ledger_in(folder), 3, "one")
    add(ledger_in(folder), 3, "two")
    assert steps_of(ledger_in(folder)) == [3, 3]


def test_a_check_that_fails_leaves_nothing(folder: Path) -> None:
    def check(entries: object) -> None:
        raise LedgerError("no")

    with pytest.raises(LedgerError, match="no"):
        ledger_in(folder).append("reserved", {"roster": "r", "steps": 9}, members=("r", "{}"), check=check)
    assert steps_of(ledger_in(folder)) == []
    with pytest.raises(LedgerError, match="a roster is missing"):
        ledger_in(folder).members("r")


def test_entries_at_the_same_time_all_count(folder: Path) -> None:
    work = [threading.Thread(target=lambda n=n: add(ledger_in(folder), n)) for n in range(12)]  # type: ignore[misc]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert sorted(steps_of(ledger_in(folder))) == list(range(12))


def test_the_file_itself_refuses_changes(folder: Path) -> None:
    add(ledger_in(folder), 3)
    for statement in ("DELETE FROM entries", "UPDATE entries SET body = '{}'", "DELETE FROM rosters WHERE 1"):
        with sqlite3.connect(folder / LEDGER_FILE) as connection:
            if "rosters" in statement:
                connection.execute("INSERT INTO rosters VALUES ('r', '{}')")
            with pytest.raises(sqlite3.IntegrityError, match="stay"):
                connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET body = replace(body, '\"steps\": 4', '\"steps\": 1') WHERE number = 3",
        "UPDATE entries SET request = 'other' WHERE number = 3",
        "DELETE FROM entries WHERE number = 2",
        "DELETE FROM entries WHERE number = 4",
        "DELETE FROM entries",
        "UPDATE entries SET body = 'nothing' WHERE number = 2",
        "UPDATE entries SET number = 9 WHERE number = 2",
    ],
)
def test_tampering_is_noticed(folder: Path, statement: str) -> None:
    for steps in (3, 4, 5):
        add(ledger_in(folder), steps, f"r{steps}")
    tamper(folder, statement)
    with pytest.raises(LedgerError, match=r"site a: the ledger .* cannot be trusted"):
        add(ledger_in(folder), 1)


def test_a_chain_written_anew_is_noticed(folder: Path) -> None:
    for steps in (3, 4):
        add(ledger_in(folder), steps)
    forged = Ledger(folder.parent / "forged", "a", folder.parent / "elsewhere")
    for _ in range(2):
        add(forged, 1)
    shutil.copy(forged.path, folder / LEDGER_FILE)
    with pytest.raises(LedgerError, match="an older file was restored, or another one"):
        ledger_in(folder).entries()


def test_an_older_file_is_noticed(folder: Path) -> None:
    add(ledger_in(folder), 3)
    old = shutil.copy(folder / LEDGER_FILE, folder / "backup")
    add(ledger_in(folder), 4)
    shutil.copy(old, folder / LEDGER_FILE)
    with pytest.raises(LedgerError, match="an older file was restored"):
        add(ledger_in(folder), 1)


@pytest.mark.parametrize("what", ["file", "second place", "not a database"])
def test_what_is_missing_is_noticed(folder: Path, what: str) -> None:
    add(ledger_in(folder), 3)
    if what == "file":
        (folder / LEDGER_FILE).unlink()
    elif what == "second place":
        ledger_in(folder).anchor.unlink()
    else:
        (folder / LEDGER_FILE).write_bytes(b"nothing" * 1000)
    with pytest.raises(LedgerError, match="cannot be trusted"):
        ledger_in(folder).entries()


def test_a_second_place_that_a_crash_left_behind_is_no_reason_to_stop(folder: Path) -> None:
    add(ledger_in(folder), 3)
    before = ledger_in(folder).anchor.read_text()
    add(ledger_in(folder), 4)
    ledger_in(folder).anchor.write_text(before)
    add(ledger_in(folder), 5)
    assert steps_of(ledger_in(folder)) == [3, 4, 5]


def test_the_second_place_stays_one_file(folder: Path) -> None:
    """In a cage it can be written to and not be replaced."""
    ledger = ledger_in(folder)
    ledger.begin()
    first = ledger.anchor.stat()
    for steps in (3, 4):
        add(ledger_in(folder), steps)
    ledger.begin()
    last = ledger.anchor.stat()
    assert (first.st_ino, first.st_size) == (last.st_ino, last.st_size)
    assert steps_of(ledger) == [3, 4]


def test_a_second_place_without_a_word_is_none(folder: Path) -> None:
    ledger = ledger_in(folder)
    ledger.anchor.touch()
    add(ledger, 3)
    ledger.anchor.write_text("")
    with pytest.raises(LedgerError, match="its last hash is not in"):
        ledger.entries()


def test_two_sites_cannot_share_one(folder: Path) -> None:
    add(ledger_in(folder), 3)
    with pytest.raises(LedgerError, match=r"site b: .* is the ledger of site a: two sites cannot share one"):
        add(ledger_in(folder, "b"), 3)
