"""What is checked before a store is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from cape_fed.errors import InputError
from cape_fed.section import mistake
from cape_fed.store.fingerprint import store_fingerprint
from cape_fed.store.format import FORMAT_VERSION, PARTIAL_SUFFIX, StoreFiles, StoreMeta, partial_path, row_shape
from cape_fed.store.writer import require_text

AGAIN = "ingest the archive again"


def read_meta(folder: Path) -> StoreMeta:
    """Read ``store.json``; raises InputError where it is missing, broken or of another version."""
    require_text(folder)
    described = _read_json(folder)
    version = described.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(f"{folder} has store format {version}, this version reads {FORMAT_VERSION}: {AGAIN}")
    try:
        meta = StoreMeta.model_validate(described)
    except ValidationError as error:
        where, words = mistake(error.errors()[0])
        raise InputError(f"{StoreFiles.of(folder).meta}: {where}: {words}: {AGAIN}") from None
    if meta.profile.hash != meta.profile_hash:
        raise InputError(f"{folder}: the profile {meta.profile.name} does not match its hash: {AGAIN}")
    return meta


def map_signals(folder: Path, meta: StoreMeta) -> NDArray[np.int16]:
    """Memory-map the signals; raises InputError where their size is not what ``meta`` says."""
    path = StoreFiles.of(folder).signals
    try:
        signals: NDArray[np.int16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: {AGAIN}") from None
    except (ValueError, EOFError):
        raise InputError(f"{path} is truncated or not an array: {AGAIN}") from None
    expected = (meta.records, *row_shape(meta.profile))
    if signals.shape != expected or signals.dtype != np.dtype("<i2"):
        raise InputError(f"{path} is {signals.dtype} {signals.shape}, not int16 {expected}: {AGAIN}")
    return signals


def check_fingerprint(folder: Path, signals: NDArray[np.int16]) -> None:
    """Raise InputError where a store is not what was written."""
    files = StoreFiles.of(folder)
    if not files.records.is_file():
        raise InputError(f"{files.records} is missing: {AGAIN}")
    described = _read_json(folder)
    if store_fingerprint(described, files.records, signals) != described.get("fingerprint"):
        raise InputError(f"{folder} was changed or damaged after it was written: {AGAIN}")


def _read_json(folder: Path) -> dict[str, Any]:
    path = StoreFiles.of(folder).meta
    if not path.is_file():
        raise InputError(_not_a_store(folder))
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{path} is not JSON: {AGAIN}") from None
    if not isinstance(described, dict):
        raise InputError(f"{path} does not describe a store: {AGAIN}")
    return described


def _not_a_store(folder: Path) -> str:
    if folder.name.endswith(PARTIAL_SUFFIX) or (not folder.exists() and partial_path(folder).is_dir()):
        return f"{folder} is an ingest that did not finish: run the same cape-fed ingest again to resume it"
    if not folder.exists():
        return f"no store at {folder}: make one with cape-fed ingest"
    return f"{folder} is not a store (it has no {StoreFiles.of(folder).meta.name}): make one with cape-fed ingest"
