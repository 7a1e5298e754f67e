"""A cohort on disk, opened for reading."""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from cape_fed.errors import InputError
from cape_fed.signal.profile import MICROVOLTS_PER_MV, Profile, get_profile
from cape_fed.store.check import check_fingerprint, map_signals, read_meta
from cape_fed.store.fingerprint import signal_digests
from cape_fed.store.format import RECORDS_FILE, Provenance, StoreFiles, StoreMeta, place_of
from cape_fed.store.gather import gather_rows
from cape_fed.store.signals import SignalWriter
from cape_fed.store.table import Columns, complete_table, label_columns
from cape_fed.store.writer import publish, refuse_foreign, write_description


class Store:
    """A preprocessed cohort: signals memory-mapped, columns of the record table read when first asked for.

    Open one with ``open_store``. Pickles as its path, so it can be handed to worker processes. Row ``i`` of every
    array is the same record.
    """

    path: Path
    meta: StoreMeta
    signals: NDArray[np.int16]
    """``[N, 12, T]``, 1 µV a step, read-only memory map."""

    def __init__(self, path: Path, meta: StoreMeta, signals: NDArray[np.int16]) -> None:
        self.path = path
        self.meta = meta
        self.signals = signals

    def __len__(self) -> int:
        return self.meta.records

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, cohort={self.cohort!r}, records={len(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.meta.fingerprint)

    @property
    def cohort(self) -> str:
        """Name of the cohort."""
        return self.meta.cohort

    @property
    def profile(self) -> Profile:
        """The preprocessing that made the signals."""
        return self.meta.profile

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """Labels that are annotated for at least one record, in the vocabulary's order."""
        nulls = self._null_counts
        return tuple(name for name in label_columns(self._schema) if nulls[name] < len(self))

    @cached_property
    def records(self) -> NDArray[np.object_]:
        """Record names, ``[N]`` of str."""
        return self._numpy("record")

    @cached_property
    def patients(self) -> NDArray[np.int64]:
        """Patient of each record, ``[N]``: dense codes in order of first appearance."""
        return np.asarray(self._patients.indices, np.int64)

    @cached_property
    def patient_keys(self) -> list[str]:
        """Salted key of each patient code, ``[P]``."""
        keys: list[str] = self._patients.dictionary.to_pylist()
        return keys

    @cached_property
    def valid(self) -> NDArray[np.int32]:
        """Samples of each record before the padding, ``[N]``."""
        return self._numpy("valid")

    @cached_property
    def begins(self) -> NDArray[np.float32]:
        """Seconds of each recording before its stored window, ``[N]``; NaN where the store does not say."""
        if "begins" not in self._schema.names:
            return np.full(len(self), np.nan, np.float32)
        return self._numpy("begins")

    @cached_property
    def quality(self) -> NDArray[np.uint32]:
        """Quality flags of each record, ``[N]``; see ``cape_fed.signal.quality``."""
        return self._numpy("quality")

    @cached_property
    def digests(self) -> NDArray[np.uint64]:
        """Content hash of each stored signal, ``[N]``; equal for exactly equal signals."""
        return self._numpy("digest")

    @cached_property
    def folds(self) -> NDArray[np.int64] | None:
        """Fold that the archive puts each record in, ``[N]``; None where it does not name one for every record."""
        if "fold" not in self._schema.names or self._null_counts["fold"]:
            return None
        return self._numpy("fold").astype(np.int64)

    def label(self, name: str) -> NDArray[np.float32]:
        """One target as numbers, ``[N]``, NaN where it is not annotated or not known.

        ``"age"`` is in years, ``"sex"`` is 1 for female and 0 for male, labels are 1 and 0. Raises KeyError for a
        name that this store has no column for.
        """
        if name != "age" and name != "sex" and name not in label_columns(self._schema):
            raise KeyError(f"{self.cohort} has no label '{name}'")
        column = self.column(name)
        if name == "sex":
            column = pc.equal(column, "F")
        values: NDArray[np.float32] = column.cast(pa.float32()).to_numpy()
        return values

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of the record table, read from disk."""
        return pq.read_table(StoreFiles.of(self.path).records, columns=[name])[name]

    def row_of(self, record: str) -> int:
        """Row of a record by name; raises InputError where there is none."""
        row: int = pc.index(self.column("record"), record).as_py()
        if row < 0:
            raise InputError(f"no record '{record}' in {self.path}: its names are in {RECORDS_FILE}")
        return row

    def gather(self, rows: ArrayLike, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
        """Copy rows out of the memory map, ``[B, 12, T]``, into ``out`` where one is given.

        Raises IndexError outside ``0 .. N-1``.
        """
        wanted = np.asarray(rows, np.int64)
        if out is None:
            out = np.empty((len(wanted), *self.signals.shape[1:]), np.int16)
        gather_rows(self.signals, wanted, out)
        return out

    def millivolts(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Signals of some rows in mV, ``[B, 12, T]``."""
        return self.gather(rows).astype(np.float32) / np.float32(MICROVOLTS_PER_MV)

    @cached_property
    def _patients(self) -> pa.DictionaryArray:
        return self.column("patient").combine_chunks().dictionary_encode()

    @cached_property
    def _schema(self) -> pa.Schema:
        return pq.read_schema(StoreFiles.of(self.path).records)

    @property
    def _null_counts(self) -> dict[str, int]:
        footer = pq.read_metadata(StoreFiles.of(self.path).records)
        counts = dict.fromkeys(self._schema.names, 0)
        for group in range(footer.num_row_groups):
            for index, name in enumerate(self._schema.names):
                counts[name] += footer.row_group(group).column(index).statistics.null_count
        return counts

    def _numpy(self, name: str) -> NDArray[Any]:
        values: NDArray[Any] = self.column(name).to_numpy()
        return values


def open_store(path: str | Path, *, profile: str | None = None) -> Store:
    """Open a store; cheap whatever its size, since nothing but the table's bytes is read.

    ``profile`` is the name of the profile that the store must have. Raises InputError where ``path`` is not a store,
    is unfinished, truncated, changed since it was written, of another format version or of another profile.
    """
    folder = Path(path)
    meta = read_meta(folder)
    signals = map_signals(folder, meta)
    check_fingerprint(folder, signals)
    if profile is not None and get_profile(profile).hash != meta.profile_hash:
        raise InputError(
            f"{folder} has the profile {meta.profile.name} ({meta.profile_hash}), not {profile} "
            f"({get_profile(profile).hash}): ingest the archive again with --profile {profile}"
        )
    return Store(folder, meta, signals)


def write_store(
    path: str | Path,
    *,
    cohort: str,
    profile: Profile | str,
    signals: NDArray[np.int16],
    records: pa.Table | Columns,
    provenance: Provenance | None = None,
    overwrite: bool = False,
) -> Store:
    """Write signals that are already preprocessed as a store, under another name first, and open it.

    ``signals`` is int16 ``[N, 12, T]`` at 1 µV a step; ``records`` has ``record`` and ``patient`` (a key, stored as
    it is) and what else is known, see ``complete_table``. Raises ValueError for columns or shapes that do not fit and
    InputError where ``path`` is taken.
    """
    target, recipe = place_of(Path(path)), get_profile(profile) if isinstance(profile, str) else profile
    refuse_foreign(target, overwrite=overwrite)
    if not len(signals):
        raise ValueError("a store needs at least one record")
    table = complete_table(records, recipe, signal_digests(signals))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=target.name + ".", dir=target.parent) as scratch:
        folder = Path(scratch) / target.name
        folder.mkdir()
        with closing(SignalWriter(StoreFiles.of(folder).signals, recipe)) as writer:
            writer.append(signals)
            writer.seal()
        described = provenance or Provenance(records_seen=len(signals))
        write_description(folder, cohort=cohort, profile=recipe, table=table, provenance=described)
        publish(folder, target, overwrite=overwrite)
    return open_store(target)


def _reopen(path: Path, fingerprint: str) -> Store:
    """Open again in another process what was checked in this one; raises InputError where it was replaced since."""
    meta = read_meta(path)
    if meta.fingerprint != fingerprint:
        raise InputError(f"{path} was replaced while it was in use: start again")
    return Store(path, meta, map_signals(path, meta))
