"""What every archive reader produces and the protocol that ingest and doctor read it through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Sex = Literal["F", "M"]


class RecordError(Exception):
    """One record cannot be read; carries the code of a doctor finding and a short reason without paths."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Notice:
    """Something found while the archive was listed that belongs to no single record, such as a row of a table."""

    code: str
    """Code of a doctor finding."""
    examples: tuple[str, ...] = ()
    """What was found where; for the site's own eyes, since they hold source ids."""
    count: int = 1


class Misread(NamedTuple):
    """A cell or comment that holds something and was not understood."""

    code: str
    """Code of a doctor finding."""
    shown: str
    """Where it stands and what it holds, as ``sex 'weiblich'``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record in the archive's listing: cheap to make, small to pickle, enough to read the record by."""

    record: str
    """Name of the record, unique within the archive."""
    locator: Mapping[str, Any] = field(default_factory=dict)
    """Whatever the reader needs to find and annotate the record: path, HDF5 row, CSV fields."""
    files: tuple[str, ...] = ()
    """Where the record may lie, relative to the archive's folder; ingest reads it again when one of them changes."""
    problem: tuple[str, str] | None = None
    """Code and reason where the listing itself says that the record cannot be read: its row is damaged."""

    source: str = ""
    """Name of the file or group that the record shares with others of the same person, where it does."""

    def require(self) -> None:
        """Raise RecordError where the listing has a problem with this record."""
        if self.problem is not None:
            raise RecordError(*self.problem)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as the archive holds it, with names, units and labels made uniform and nothing filtered."""

    record: str
    patient: str | None
    """The source's patient id, None where unknown. Never stored as it is: the store keeps a salted key."""
    age: float | None
    sex: Sex | None
    labels: Mapping[str, bool]
    """Labels of the vocabulary that are annotated for this record; a label that is absent here is not annotated."""
    signal_mv: NDArray[np.float32]
    """``[12, n]`` in mV, rows in the order of ``LEADS``, NaN where a lead or sample is missing."""
    fs: float
    notes: tuple[str, ...] = ()
    """Codes of doctor findings met while reading this record."""
    declared_samples: int | None = None
    """Length by the header where it differs from the signal read."""
    saturated_leads: int = 0
    """Bit mask of leads that stay at an end of the ADC's range, where the format tells; bit 0 is lead I."""
    fold: int | None = None
    """Fold for cross-validation, where the archive recommends one."""
    begins: float = 0.0
    """Seconds of the recording that were left out before the first sample of ``signal_mv``."""
    gains: tuple[float, ...] | None = None
    """ADC units per mV of each lead, ``[12]``, NaN where a lead is missing; None where the format has no gains."""
    misread: tuple[Misread, ...] = ()
    """Cells that hold something which was not understood; the codes are in ``notes`` as well."""
    unmapped: tuple[str, ...] = ()
    """Statements of the source that the vocabulary has no word for; for reports to the site, never stored."""
    issuer: str | None = None
    """Who gave the patient id, where that is stated; never shown or stored."""


class Reader(Protocol):
    """One archive format. Stateless and picklable: worker processes call ``read``."""

    name: str
    explicit_labels: frozenset[str]
    """Labels whose False is a statement of the archive even where no record carries the label."""

    def entries(self, root: Path) -> Iterator[Entry | Notice]:
        """List the archive in a fixed order, streaming, with what is wrong with its tables in between.

        Raises InputError where the archive is not of this format or one of its tables contradicts itself.
        """
        ...

    def read(self, root: Path, entry: Entry, seconds: float | None = None) -> RawRecord:
        """Read one record, at most its first ``seconds``; raises RecordError where that is impossible."""
        ...
