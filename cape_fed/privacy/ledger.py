"""What a site's patients have spent: an append-only file that nobody elsewhere can override or reset."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cape_fed.chain import FIRST, chain_hash, first_break
from cape_fed.errors import InputError
from cape_fed.files import overwrite
from cape_fed.lock import locked_in_turn

LEDGER_FILE = "ledger.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rosters (fingerprint TEXT PRIMARY KEY, members TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY, request TEXT UNIQUE, body TEXT NOT NULL, hash TEXT NOT NULL UNIQUE);
CREATE TRIGGER IF NOT EXISTS kept BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries stay as they are'); END;
CREATE TRIGGER IF NOT EXISTS stays BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries stay'); END;
CREATE TRIGGER IF NOT EXISTS fixed BEFORE UPDATE ON rosters BEGIN SELECT RAISE(ABORT, 'rosters stay as they are'); END;
CREATE TRIGGER IF NOT EXISTS frozen BEFORE DELETE ON rosters BEGIN SELECT RAISE(ABORT, 'rosters stay'); END;
"""
_ANCHOR_BYTES = 128
_WAIT = 60.0
"""Seconds to wait for another process to finish with the file."""

Kind = Literal["opened", "roster", "reserved", "exposed"]
Body = Mapping[str, Any]


class LedgerError(InputError):
    """The ledger cannot be used, or refuses: one line saying why."""


class BudgetError(LedgerError):
    """The patients have not that much ε left."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    kind: Kind
    body: dict[str, Any]
    request: str | None

    @property
    def roster(self) -> str:
        """Fingerprint of the patients it is about."""
        return str(self.body["roster"])


class Ledger:
    """SQLite under a chain of hashes, whose last one is kept in a second place as well.

    Entries are ``opened`` (by which site), ``roster`` (slots frozen), ``reserved`` (private steps, before the first of
    them is taken) and ``exposed`` (patients about whom something left without differential privacy: ε = ∞ from then
    on). Every use checks the chain and the second place: a changed, restored or missing file is a LedgerError.
    """

    def __init__(self, folder: Path, site: str, anchor: Path) -> None:
        """``anchor`` is the second place, a small file that belongs on another disk or backup than ``folder``."""
        self.path = folder / LEDGER_FILE
        self.site = site
        self.anchor = anchor

    def entries(self) -> list[Entry]:
        """All entries in order; none where the ledger has not been opened yet."""
        if not self.path.exists() and not self._anchored():
            return []
        with self._open() as connection:
            return self._verified(connection)

    def members(self, fingerprint: str) -> dict[str, Any]:
        """What was frozen or exposed under a fingerprint."""
        with self._open() as connection:
            row = connection.execute("SELECT members FROM rosters WHERE fingerprint = ?", (fingerprint,)).fetchone()
        if row is None:
            raise self._damaged("a roster is missing")
        found: dict[str, Any] = json.loads(row[0])
        return found

    def append(
        self,
        kind: Kind,
        body: Body,
        *,
        request: str | None = None,
        members: tuple[str, str] | None = None,
        check: Callable[[Sequence[Entry]], None] = lambda entries: None,
    ) -> None:
        """Add an entry, on disk when this returns. ``check`` sees all entries before it and may raise.

        ``request`` is unique: LedgerError for one that is there already. ``members`` are patients, as JSON, with the
        fingerprint under which `members` finds them.
        """
        with self._open() as connection:
            entries = self._verified(connection)
            if request is not None and any(entry.request == request for entry in entries):
                raise LedgerError(
                    f"site {self.site}: request {request} was in the ledger already: it is not taken twice"
                )
            check(entries)
            if members is not None:
                connection.execute("INSERT OR IGNORE INTO rosters VALUES (?, ?)", members)
            self._insert(connection, kind, body, request)

    def _insert(self, connection: sqlite3.Connection, kind: Kind, body: Body, request: str | None) -> None:
        last = connection.execute("SELECT number, hash FROM entries ORDER BY number DESC LIMIT 1").fetchone()
        number, previous = last or (0, FIRST)
        full = {"number": number + 1, "kind": kind, "at": _now(), "request": request, **body}
        digest = chain_hash(previous, full)
        connection.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?)", (number + 1, request, json.dumps(full, sort_keys=True), digest)
        )
        connection.execute("COMMIT")
        overwrite(self.anchor, f"{number + 1} {digest}", _ANCHOR_BYTES)

    def _anchored(self) -> str:
        """What the second place says; empty where there is none, or where a crash left it before its first word."""
        return self.anchor.read_text().strip() if self.anchor.exists() else ""

    def begin(self) -> None:
        """Make the ledger where there is none yet, and check it: in a cage its files can be written to, not made."""
        with self._open() as connection:
            self._verified(connection)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The file with a transaction begun, made where there is none, while no other process has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path.with_suffix(".lock")):
            if self._anchored() and not self.path.exists():
                raise self._damaged(f"it is gone, and {self.anchor} knows of one")
            try:
                with closing(sqlite3.connect(self.path, isolation_level=None, timeout=_WAIT)) as connection:
                    connection.execute("PRAGMA synchronous = FULL")
                    connection.executescript(_SCHEMA)
                    connection.execute("BEGIN IMMEDIATE")
                    if connection.execute("SELECT count(*) FROM entries").fetchone() == (0,):
                        if self._anchored():
                            raise self._damaged(f"it is empty, and {self.anchor} knows of entries")
                        self._insert(connection, "opened", {"site": self.site}, None)
                        connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except sqlite3.DatabaseError as error:
                raise self._damaged(str(error)) from error

    def _verified(self, connection: sqlite3.Connection) -> list[Entry]:
        """All entries; LedgerError unless the chain holds, leads through the second place, and is this site's."""
        rows = connection.execute("SELECT number, request, body, hash FROM entries ORDER BY number").fetchall()
        try:
            bodies = [json.loads(row[2]) for row in rows]
        except ValueError as error:
            raise self._damaged("an entry cannot be read") from error
        broken = first_break(zip(bodies, (row[3] for row in rows), strict=True))
        odd = next(
            (row[0] for row, body in zip(rows, bodies, strict=True) if row[:2] != (body["number"], body["request"])),
            None,
        )
        if broken is not None or odd is not None:
            raise self._damaged(f"entry {odd if broken is None else broken + 1} was changed")
        self._check_anchor([row[3] for row in rows])
        if bodies[0]["site"] != self.site:
            raise LedgerError(
                f"site {self.site}: {self.path} is the ledger of site {bodies[0]['site']}: two sites cannot share one"
            )
        return [Entry(body["kind"], body, body["request"]) for body in bodies]

    def _check_anchor(self, hashes: Sequence[str]) -> None:
        """LedgerError unless the second place holds the hash of an entry; a crash may leave it behind the last."""
        if not (kept := self._anchored()):
            if len(hashes) > 1:
                raise self._damaged(f"its last hash is not in {self.anchor}: restore that file")
            return
        number, _, digest = kept.partition(" ")
        place = int(number) - 1 if number.isdigit() else -1
        if not 0 <= place < len(hashes) or hashes[place] != digest:
            raise self._damaged(
                f"it does not hold what {self.anchor} knows: an older file was restored, or another one"
            )

    def _damaged(self, what: str) -> LedgerError:
        return LedgerError(
            f"site {self.site}: the ledger {self.path} cannot be trusted: {what}; put the right file back, or treat "
            "its patients as trained on without privacy"
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for as long as another holder may rightly need."""
    with ExitStack() as held:
        try:
            held.enter_context(locked_in_turn(path, _WAIT))
        except TimeoutError:
            raise LedgerError(f"{path.parent}: another process does not let go of the ledger") from None
        yield


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
