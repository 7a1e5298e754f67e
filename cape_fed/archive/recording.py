"""The two halves of a record: what was measured and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cape_fed.archive.base import Misread, RawRecord, Sex

LIMIT_MV = 1e9
"""Beyond is no voltage but a damaged number; squares of it would overflow."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Signal of one record; fields of the same name are those of ``RawRecord``."""

    signal_mv: NDArray[np.float32]
    fs: float
    comments: tuple[str, ...] = ()
    """Comment lines of its header."""
    notes: tuple[str, ...] = ()
    declared_samples: int | None = None
    saturated_leads: int = 0
    begins: float = 0.0
    gains: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """Patient and labels of one record; fields are those of ``RawRecord``."""

    patient: str | None = None
    age: float | None = None
    sex: Sex | None = None
    labels: dict[str, bool] = field(default_factory=dict)
    fold: int | None = None
    unmapped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    misread: tuple[Misread, ...] = ()
    issuer: str | None = None

    def filled_from(self, other: Description) -> Description:
        """This description, with what it leaves open taken from another source."""
        return Description(
            patient=self.patient or other.patient,
            age=other.age if self.age is None else self.age,
            sex=self.sex or other.sex,
            labels=other.labels | self.labels,
            fold=other.fold if self.fold is None else self.fold,
            unmapped=self.unmapped + other.unmapped,
            notes=self.notes + other.notes,
            misread=self.misread + other.misread,
            issuer=self.issuer or other.issuer,
        )


def join(record: str, recording: Recording, description: Description) -> RawRecord:
    """Put the halves together."""
    return RawRecord(
        record=record,
        patient=description.patient,
        age=description.age,
        sex=description.sex,
        labels=description.labels,
        signal_mv=recording.signal_mv,
        fs=recording.fs,
        notes=recording.notes + description.notes,
        declared_samples=recording.declared_samples,
        saturated_leads=recording.saturated_leads,
        begins=recording.begins,
        gains=recording.gains,
        misread=description.misread,
        fold=description.fold,
        unmapped=description.unmapped,
        issuer=description.issuer,
    )


def as_millivolts(values: NDArray[Any]) -> NDArray[np.float32]:
    """Copy numbers of any type as float32, NaN where they are not finite or beyond ``LIMIT_MV``."""
    with np.errstate(over="ignore", invalid="ignore"):
        signal = np.array(values, np.float32)
        signal[~(np.abs(signal) <= LIMIT_MV)] = np.nan
    return signal
