"""A site's audit log: every entry is chained to those before it, so that a later change of any of them shows.

The hash of the last entry is kept a second time, outside the log's directory, and travels to coordinators when a site
joins: a log that was cut off or put back from an old copy does not end with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cape_fed import files
from cape_fed.chain import FIRST, chain_hash
from cape_fed.lock import locked_in_turn
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import AuditError

LOG_FILE = "log.jsonl"
HASH, NUMBER, TIME, KIND = "hash", "number", "time", "kind"
_HEAD_BYTES = 512
_LOCK = ".lock"


class Head(NamedTuple):
    """Where a log ends."""

    entries: int
    hash: str
    next: str = ""
    """Hash of an entry that is being written; the process may have ended before or after it stood in the log."""

    def __str__(self) -> str:
        return f"{self.entries}:{self.hash}"


def record(site: SiteConfig, kind: str, **facts: Any) -> Head:
    """Add an entry to the site's audit log and make it survive a power cut; where the log ends now.

    ``facts`` are JSON values; ``number``, ``time``, ``kind`` and ``hash`` are added. Several processes may write.
    Raises AuditError where the entry cannot be written, or the log is not as it was left: what was to be recorded must
    then not happen.
    """
    return record_from(site, kind, lambda: facts)


def record_from(site: SiteConfig, kind: str, facts: Callable[[], dict[str, Any] | None]) -> Head:
    """As `record`, of ``facts`` found while no other process can write; no entry where they are None."""
    try:
        with locked_in_turn(_folder(site) / _LOCK):
            head, end = _find_end(site)
            found = facts()
            return head if found is None else _append(site, head, end, kind, found)
    except OSError as error:
        raise AuditError(f"the audit log cannot be written: {error.strerror}: {error.filename or ''}") from error


def log_file(site: SiteConfig) -> Path:
    """The log: one JSON object a line."""
    return _folder(site) / LOG_FILE


def log_files(site: SiteConfig) -> tuple[Path, Path]:
    """What is written to under ``state`` for an entry."""
    return log_file(site), _folder(site) / _LOCK


def last_hash(site: SiteConfig) -> Head:
    """Where the log ends; AuditError where it does not end as it was left."""
    try:
        with locked_in_turn(_folder(site) / _LOCK):
            return _find_end(site)[0]
    except OSError as error:
        raise AuditError(f"the audit log cannot be read: {error.strerror}: {error.filename or ''}") from error


def read_entries(site: SiteConfig) -> Iterator[tuple[dict[str, Any], str]]:
    """All entries with the hashes that they claim, in order; ValueError at the first line that is no entry."""
    path = log_file(site)
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            if not line.endswith("\n"):  # the process ended while it wrote: that is no entry
                return
            try:
                entry = json.loads(line)
                claimed = str(entry.pop(HASH))
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise ValueError(f"line {number + 1} is no entry") from error
            yield entry, claimed


def read_head(site: SiteConfig) -> Head | None:
    """Where the log ended by what was kept outside its directory; None where nothing was kept."""
    try:
        values = json.loads(site.audit_head_file.read_text(encoding="ascii"))
        return Head(int(values["entries"]), str(values["hash"]), str(values["next"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise AuditError(f"{site.audit_head_file} cannot be read: 'cape-fed site audit verify' looks closer") from error


def _folder(site: SiteConfig) -> Path:
    return site.state / "audit"


def _find_end(site: SiteConfig) -> tuple[Head, int]:
    """Where the log ends, in entries and in bytes; what a crash left of an entry is not counted."""
    kept, path = read_head(site), log_file(site)
    line, end, torn = _last_line(path)
    if kept is None and not end and not torn:
        return Head(0, FIRST), 0
    if kept is not None and not (torn and not kept.next):
        if not end and kept.entries == 0:
            return Head(0, FIRST), 0
        with suppress(ValueError, KeyError, TypeError):
            last = json.loads(line)
            if (last[NUMBER] + 1, last[HASH]) == (kept.entries, kept.hash):
                return kept._replace(next=""), end
            if (last[NUMBER], last[HASH]) == (kept.entries, kept.next):
                return Head(kept.entries + 1, kept.next), end
    raise AuditError(
        f"the audit log {path} does not end with the hash in {site.audit_head_file}: 'cape-fed site audit verify' says "
        "where it was changed; to begin a new log, move both away"
    )


def _last_line(path: Path, block: int = 1 << 16) -> tuple[bytes, int, bool]:
    """The last whole line, where it ends, and whether anything comes after it."""
    if not path.exists():
        return b"", 0, False
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while True:
            begin = max(0, size - block)
            file.seek(begin)
            text = file.read(size - begin)
            last = text.rfind(b"\n")
            before = text.rfind(b"\n", 0, max(last, 0))
            if begin == 0 or before >= 0:
                return text[before + 1 : last + 1], begin + last + 1, begin + last + 1 < size
            block *= 2


def _append(site: SiteConfig, head: Head, end: int, kind: str, facts: dict[str, Any]) -> Head:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {**facts, NUMBER: head.entries, TIME: now, KIND: kind}
    chained = chain_hash(head.hash, entry)
    line = json.dumps({**entry, HASH: chained}, ensure_ascii=False, allow_nan=False) + "\n"
    _write_head(site, head._replace(next=chained))
    new = Head(head.entries + 1, chained)
    handle = os.open(log_file(site), os.O_RDWR | os.O_CREAT, files.PRIVATE)
    try:
        os.ftruncate(handle, end)
        files.write_at(handle, line.encode(), end)
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise
    finally:
        os.close(handle)
    _write_head(site, new)
    return new


def _write_head(site: SiteConfig, head: Head) -> None:
    files.overwrite(site.audit_head_file, json.dumps(head._asdict()), _HEAD_BYTES)
