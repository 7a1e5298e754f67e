"""Trees of ECGs as hospital systems export them: one file a recording, named as anybody pleased."""

from __future__ import annotations

import hashlib
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cape_fed.archive.base import Entry, Notice, RawRecord, RecordError
from cape_fed.archive.detect import wrong_format
from cape_fed.archive.headers import is_plain_file
from cape_fed.archive.recording import Description, Recording, join
from cape_fed.archive.walk import walk
from cape_fed.errors import InputError
from cape_fed.extras import require
from cape_fed.store.keys import file_key

HEAD_BYTES = 16 << 10
"""What is read of each file to tell whether it is of the format."""


@dataclass(frozen=True)
class ExportTree(ABC):
    """Reader of a format of which every recording is a file of its own, at any depth and under any name.

    Files and folders may be named after patients, so a record is named by a salted hash of its path, and nothing that
    the parsers of a format say (errors, warnings, logs) gets out: their words may quote the file.
    """

    verify: bool = False
    common_gain: float | None = None
    salt: bytes = field(default=b"", repr=False)
    """What the names of records are made with; without the site's, they can be guessed from the files' names."""
    name = ""
    explicit_labels = frozenset[str]()
    expected: ClassVar[str] = ""
    """What a folder of this format holds, for the message where it does not."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """A file named so that is not recognised is a damaged one."""
    needs: ClassVar[str] = ""
    """The package of the extra ``formats`` that reads it."""
    largest: ClassVar[int] = 64 << 20
    """Bytes of the largest file that is read."""

    def __post_init__(self) -> None:
        require("formats", self.needs, f"format {self.name}")
        if self.common_gain is not None:
            raise InputError(f"format {self.name} states the gain of each lead itself: leave --common-gain out")

    @abstractmethod
    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins so is of this format."""

    def passes_over(self, head: bytes) -> bool:
        """Whether a file that begins so is a sound one of another kind, whatever its suffix."""
        return False

    def count(self, path: Path) -> int:
        """Recordings that a file holds; anything may be raised."""
        return 1

    @abstractmethod
    def parse(self, path: Path, number: int, seconds: float | None) -> tuple[Recording, Description]:
        """Read recording ``number`` of a file; RecordError for what is understood, anything else for damage."""

    def entries(self, root: Path) -> Iterator[Entry | Notice]:
        """List the files of this format below ``root``, folder by folder in the order of their names."""
        others, empty = 0, True
        for found in walk(root) if root.is_dir() else ():
            if isinstance(found, Notice):
                yield Notice(found.code, count=found.count)
                continue
            folder, files = found
            for file in sorted(files):
                if file.startswith(".") or not is_plain_file(root / folder / file):
                    continue
                listed = list(self._listed(root, folder / file))
                others += not listed
                empty = empty and not listed
                yield from listed
        if empty:
            raise wrong_format(root, self.name, self.expected)
        if others:
            yield Notice("OTHER_FILE", count=others)

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one recording, at most its first ``seconds``."""
        entry.require()
        path = root / entry.locator["path"]
        try:
            size = path.stat().st_size
        except OSError:
            raise RecordError("MISSING_FILE", "the file is not there") from None
        if size > self.largest:
            raise RecordError("TOO_LARGE", f"the file is larger than {self.largest >> 20} MiB")
        with contained():
            recording, description = self.parse(path, entry.locator["number"], seconds)
        return join(entry.record, recording, description)

    def _listed(self, root: Path, below: Path) -> Iterator[Entry]:
        path, file = root / below, below.as_posix()
        name = record_name(self.salt, file)
        problem = None
        try:
            with path.open("rb") as opened:
                head = opened.read(HEAD_BYTES)
        except OSError as error:
            problem = ("UNREADABLE", f"the file cannot be opened: {error.strerror}")
        else:
            if not self.recognises(head):
                if path.suffix.lower() not in self.suffixes or self.passes_over(head):
                    return
                problem = ("BAD_HEADER", "the file does not begin as one of this format") if head else EMPTY
        numbers = 1
        if problem is None and path.stat().st_size <= self.largest:
            try:
                with contained():
                    numbers = max(1, self.count(path))
            except RecordError as error:
                problem = error.code, error.reason
        for number in range(numbers):
            record = f"{name}-{number + 1}" if numbers > 1 else name
            yield Entry(record, {"path": file, "number": number}, (file,), problem, source=_source(file))


EMPTY = ("TRUNCATED", "the file is empty")


def record_name(salt: bytes, file: str) -> str:
    """The name of the record in a file: the same for the same path below the archive, and without its words."""
    return f"ecg-{file_key(salt, file)}"


def _source(file: str) -> str:
    """What the unknown patient of a file is called; it is seen by nobody, and stores that are there have its keys."""
    return "ecg-" + hashlib.blake2b(file.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


@contextmanager
def contained() -> Iterator[None]:
    """Turn whatever a parser raises into a RecordError of our own words, and drop what it warns of or logs."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RecordError, KeyboardInterrupt):
        raise
    except OSError as error:
        raise RecordError("UNREADABLE", f"the file cannot be read: {error.strerror}") from None
    except Exception as error:
        # MemoryError and RecursionError among them: hostile files aim at those
        raise RecordError("UNREADABLE", f"its content is damaged ({type(error).__name__})") from None
    finally:
        logging.disable(before)
