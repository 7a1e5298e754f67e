"""Writing the files of a store so that it is either there as a whole or not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cape_fed.errors import InputError
from cape_fed.files import make_private, sync
from cape_fed.signal.profile import Profile
from cape_fed.store.fingerprint import store_fingerprint
from cape_fed.store.format import Provenance, StoreFiles, StoreMeta, place_of, row_shape
from cape_fed.store.table import rate_counts

ROW_GROUP = 65_536


def write_description(
    folder: Path, *, cohort: str, profile: Profile, table: pa.Table, provenance: Provenance
) -> StoreMeta:
    """Complete a store in ``folder``, whose signals are written: add the table and ``store.json``, flushed to disk.

    ``table`` follows the store's schema. Raises ValueError where the signals do not have one row for each of its rows.
    """
    files = StoreFiles.of(folder)
    signals = np.load(files.signals, mmap_mode="r")
    if signals.shape != (len(table), *row_shape(profile)):
        raise ValueError(f"signals {signals.shape} for {len(table)} records of the profile {profile.name}")
    with files.records.open("wb") as file:  # which says of a full disk what it is
        pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)
    meta = StoreMeta(
        **provenance.model_dump(),
        cohort=cohort,
        profile=profile,
        profile_hash=profile.hash,
        records=len(table),
        patients=pc.count_distinct(table["patient"]).as_py(),
        patients_without_id=pc.sum(pc.invert(table["patient_known"])).as_py(),
        rates=rate_counts(table),
    )
    described = meta.model_dump(mode="json")
    fingerprint = store_fingerprint(described, files.records, signals)
    files.meta.write_text(json.dumps(described | {"fingerprint": fingerprint}, indent=1) + "\n", encoding="utf-8")
    for path in (files.records, files.meta):
        sync(path)
    return meta.model_copy(update={"fingerprint": fingerprint})


def publish(folder: Path, store: Path, *, overwrite: bool = False) -> None:
    """Rename a finished ``folder`` to ``store``; a store that was there goes only once the new one is complete.

    Where ``store`` is a link, what it points to is replaced and the link stays. Only the user who owns it can read it.
    Raises InputError where ``store`` exists and may not be replaced.
    """
    refuse_foreign(store, overwrite=overwrite)
    make_private(folder)
    store = place_of(store)
    retired = store.with_name(store.name + ".replaced")
    if store.exists():
        shutil.rmtree(retired, ignore_errors=True)
        store.rename(retired)
    folder.rename(store)
    sync(store.parent)
    shutil.rmtree(retired, ignore_errors=True)


def require_text(store: Path) -> None:
    """Raise InputError where the path is no UTF-8, which the libraries that write and read the table cannot take."""
    try:
        str(store).encode("utf-8")
    except UnicodeEncodeError:
        shown = str(store).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise InputError(f"'{shown}' is no UTF-8: choose another place for the store or rename the folder") from None


def refuse_foreign(store: Path, *, overwrite: bool) -> None:
    """Raise InputError where ``store`` is taken, by a store that may not be replaced or by anything else.

    A name that is no UTF-8 is refused as well, see ``require_text``, and a folder without one, which cannot be renamed.
    """
    require_text(store)
    if store.name in ("", ".."):
        raise InputError(f"'{store}' is no name for a store: give it the name of the folder that it is going to be")
    if not store.exists():
        return
    if not StoreFiles.of(store).meta.is_file() and not (store.is_dir() and not any(store.iterdir())):
        raise InputError(f"{store} exists and is not a store: choose another place for the store")
    if StoreFiles.of(store).meta.is_file() and not overwrite:
        raise InputError(f"{store} exists already: choose another place or pass --overwrite to replace it")
