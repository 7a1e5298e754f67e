"""Writing the files of a store so that it is either there as a whole or not there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cape_fed.errors import InputError
from cape_fed.signal.profile import Profile
from cape_fed.store.fingerprint import store_fingerprint
from cape_fed.store.format import Provenance, StoreFiles, StoreMeta, row_shape
from cape_fed.store.table import rate_counts

ROW_GROUP = 65_536


def write_files(
    folder: Path,
    *,
    cohort: str,
    profile: Profile,
    blocks: Iterable[NDArray[np.int16]],
    table: pa.Table,
    provenance: Provenance,
) -> StoreMeta:
    """Write the three files of a store into ``folder``, which exists, and flush them to disk.

    ``blocks`` are consecutive ``[n, 12, T]`` pieces of the signals; ``table`` follows the store's schema and has one
    row for each. Raises ValueError where the two disagree in shape or number.
    """
    files = StoreFiles.of(folder)
    _write_signals(files.signals, blocks, (len(table), *row_shape(profile)))
    pq.write_table(table, files.records, compression="zstd", row_group_size=ROW_GROUP)
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
    fingerprint = store_fingerprint(described, files.records, np.load(files.signals, mmap_mode="r"))
    files.meta.write_text(json.dumps(described | {"fingerprint": fingerprint}, indent=1) + "\n", encoding="utf-8")
    for path in (files.records, files.meta):
        _flush(path)
    return meta.model_copy(update={"fingerprint": fingerprint})


def publish(folder: Path, store: Path, *, overwrite: bool = False) -> None:
    """Rename a finished ``folder`` to ``store``; a store that was there goes only once the new one is complete.

    Raises InputError where ``store`` exists and may not be replaced.
    """
    refuse_foreign(store, overwrite=overwrite)
    retired = store.with_name(store.name + ".replaced")
    if store.exists():
        shutil.rmtree(retired, ignore_errors=True)
        store.rename(retired)
    folder.rename(store)
    _flush(store.parent)
    shutil.rmtree(retired, ignore_errors=True)


def refuse_foreign(store: Path, *, overwrite: bool) -> None:
    """Raise InputError where ``store`` is taken: by a store that may not be replaced, or by anything else."""
    if not store.exists():
        return
    if not StoreFiles.of(store).meta.is_file() and not (store.is_dir() and not any(store.iterdir())):
        raise InputError(f"{store} exists and is not a store: choose another place for the store")
    if StoreFiles.of(store).meta.is_file() and not overwrite:
        raise InputError(f"{store} exists already: choose another place or pass --overwrite to replace it")


def _write_signals(path: Path, blocks: Iterable[NDArray[np.int16]], shape: tuple[int, int, int]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype("<i2")), "fortran_order": False, "shape": shape}
    written = 0
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            if block.shape[1:] != shape[1:] or block.dtype != np.int16:
                raise ValueError(f"signals must be int16 [N, {shape[1]}, {shape[2]}], got {block.dtype} {block.shape}")
            file.write(np.ascontiguousarray(block, "<i2").data)
            written += len(block)
        file.flush()
        os.fsync(file.fileno())
    if written != shape[0]:
        raise ValueError(f"{written} signals for {shape[0]} records")


def _flush(path: Path) -> None:
    """Make a file's contents, or a folder's entries, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
