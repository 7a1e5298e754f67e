"""The listing of an archive, cut into chunks that are ingested one by one."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cape_fed.archive.base import Entry, Notice, Reader
from cape_fed.errors import InputError
from cape_fed.signal.profile import Profile
from cape_fed.store.format import FORMAT_VERSION
from cape_fed.store.keys import salt_check

INGEST_VERSION = 5
"""Raised when ingest makes other rows from the same archive."""
CHUNK_RECORDS = 256
COHORT_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class Recipe:
    """Everything but the archive's records that shapes the rows of a store."""

    root: Path
    reader: Reader
    cohort: str
    namespace: str
    """Within which patient ids mean the same patient."""
    profile: Profile
    salt: bytes = field(repr=False)
    common_gain: float | None = None
    """What the reader takes for the gain of every lead, in ADC units per mV; None for the header's gains."""

    def __post_init__(self) -> None:
        if not COHORT_NAME.fullmatch(self.cohort):
            raise InputError(f"cohort name '{self.cohort}': use letters, digits, '-', '_' and '.'")

    @property
    def identity(self) -> str:
        """Text that changes with anything that would change the rows."""
        described = {
            "root": str(self.root.resolve()),
            "format": self.reader.name,
            "cohort": self.cohort,
            "namespace": self.namespace,
            "profile": self.profile.hash,
            "salt": salt_check(self.salt),
            "common_gain": self.common_gain,
            "versions": [FORMAT_VERSION, INGEST_VERSION],
        }
        return json.dumps(described)


class Chunk(NamedTuple):
    """Some consecutive entries of the listing, packed: the listing of millions of records is held in memory."""

    number: int
    records: int
    fingerprint: str
    packed: bytes

    def entries(self) -> list[Entry]:
        """Unpack the entries."""
        listed: list[Entry] = pickle.loads(zlib.decompress(self.packed))
        return listed


class Plan(NamedTuple):
    """All chunks of an archive."""

    chunks: list[Chunk]
    records: int
    repeated: list[str]
    """Names that the archive lists more than once; the first one counts."""
    notices: list[Notice]
    """What the listing found that belongs to no single record."""
    fingerprint: str


def make_plan(recipe: Recipe, chunk_records: int = CHUNK_RECORDS) -> Plan:
    """List the archive; raises InputError where there is none, it is empty or of another format."""
    if not recipe.root.exists():
        raise InputError(f"no archive at {recipe.root}: check the path")
    repeated: list[str] = []
    notices: list[Notice] = []
    unique = _first_ones(recipe.reader.entries(recipe.root), repeated, notices)
    identity = recipe.identity.encode()
    folder = recipe.root if recipe.root.is_dir() else recipe.root.parent
    whole = hashlib.blake2b(identity, digest_size=16)
    chunks: list[Chunk] = []
    while listed := list(islice(unique, chunk_records)):
        text = "\n".join(_description(folder, entry) for entry in listed).encode()
        whole.update(b"\n" + text)
        fingerprint = hashlib.blake2b(identity + b"\n" + text, digest_size=16).hexdigest()
        chunks.append(Chunk(len(chunks), len(listed), fingerprint, zlib.compress(pickle.dumps(listed), 1)))
    if not chunks:
        raise InputError(f"{recipe.root} holds no record of the format {recipe.reader.name}: check path and --format")
    return Plan(chunks, sum(chunk.records for chunk in chunks), repeated, notices, whole.hexdigest())


def _description(folder: Path, entry: Entry) -> str:
    """Text that changes with anything the listing says about a record and with its files."""
    stamps = [_stamp(folder / name) for name in entry.files]
    return json.dumps([entry.record, dict(entry.locator), stamps, entry.problem], default=str)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file, None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def _first_ones(
    entries: Iterable[Entry | Notice], repeated: list[str], notices: list[Notice]
) -> Iterator[Entry]:  # fmt: skip
    seen: set[str] = set()
    for entry in entries:
        if isinstance(entry, Notice):
            notices.append(entry)
        elif entry.record in seen:
            repeated.append(entry.record)
        else:
            seen.add(entry.record)
            yield entry
