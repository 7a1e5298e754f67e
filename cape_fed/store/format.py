"""What the files of a store are called and hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from cape_fed.signal.leads import LEADS
from cape_fed.signal.profile import Profile

FORMAT_VERSION = 1
META_FILE = "store.json"
SIGNALS_FILE = "signals.npy"
RECORDS_FILE = "records.parquet"
PARTIAL_SUFFIX = ".partial"
"""An unfinished ingest lives in ``STORE.partial``, next to where the store is going to be."""

COLUMNS: dict[str, pa.DataType] = {
    "record": pa.string(),
    "patient": pa.string(),
    "patient_known": pa.bool_(),
    "age": pa.float32(),
    "sex": pa.string(),
    "quality": pa.uint32(),
    "valid": pa.int32(),
    "source_fs": pa.float32(),
    "source_samples": pa.int32(),
    "digest": pa.uint64(),
    "fold": pa.int8(),
    "begins": pa.float32(),
}
"""Columns of ``records.parquet`` that are not labels; every other column is a nullable boolean label.

``begins`` says how many seconds of the recording lie before the stored window. Stores written before there were folds,
or before windows could begin later, have no such columns.
"""


class Finding(BaseModel):
    """One class of what ingest met: how often, and a few records to look at. Stays at the site."""

    count: int = 0
    examples: list[str] = []


class Provenance(BaseModel):
    """Where a store's records came from and what happened to those that are not in it."""

    source_format: str = "memory"
    plan: str = ""
    """Hash of the archive's listing with all options that shape the store."""
    records_seen: int = 0
    dropped: dict[str, int] = {}
    """Records left out, by the code of the reason."""
    duplicates: int = 0
    """Exact repetitions of a record of the same patient, stored once."""
    shared_signals: int = 0
    """Stored records whose signal another patient's record repeats exactly."""
    findings: dict[str, Finding] = {}
    common_gain: float | None = None
    """ADC units per mV that replaced the gains of the archive's headers; None where these were used."""


class StoreMeta(Provenance):
    """Contents of ``store.json``."""

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    cohort: str = Field(min_length=1)
    profile: Profile
    profile_hash: str
    records: int = Field(ge=1)
    patients: int = Field(ge=1)
    patients_without_id: int = 0
    """Records without a patient id, each counted as its own patient."""
    rates: dict[str, int] = {}
    """Records by the sampling rate of the source in Hz."""
    fingerprint: str = ""
    """Hash over this file, the table and a sample of the signals; see ``cape_fed.store.fingerprint``."""


class StoreFiles(NamedTuple):
    """Paths of the files that make a store."""

    meta: Path
    signals: Path
    records: Path

    @classmethod
    def of(cls, folder: Path) -> StoreFiles:
        """Name the files in ``folder``."""
        return cls(folder / META_FILE, folder / SIGNALS_FILE, folder / RECORDS_FILE)


def partial_path(store: Path) -> Path:
    """Folder of the unfinished ingest of ``store``."""
    place = place_of(store)
    return place.with_name(place.name + PARTIAL_SUFFIX)


def place_of(store: Path) -> Path:
    """Where a store lies or is going to: of a link what it points to, so that the link stays."""
    return Path(os.path.realpath(store)) if store.is_symlink() else store


def row_shape(profile: Profile) -> tuple[int, int]:
    """Shape of one stored record: leads by samples."""
    return len(LEADS), profile.samples
