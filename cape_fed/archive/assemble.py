"""Shards put together in order to the rows of a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cape_fed.archive.plan import Chunk
from cape_fed.archive.shards import Shard, ShardSummary, load_shard, merge_summaries
from cape_fed.errors import RunError
from cape_fed.signal.profile import Profile
from cape_fed.store.signals import SignalWriter, rows_held
from cape_fed.vocabulary import VOCABULARY


class Assembly:
    """Appends the rows of each shard in turn, leaving out exact repeats of a patient's record.

    A shard's own copy of the signals goes once they are appended, so the disk holds them once. What was appended
    before an interruption is found again: it is the shards of which only the table is left.
    """

    def __init__(self, signals: Path, shards: Path, profile: Profile, chunks: Sequence[Chunk]) -> None:
        self._shards = shards
        self._chunks = chunks
        self._forget()
        self._recover(rows_held(signals, profile))
        self._writer = SignalWriter(signals, profile, self.rows)

    @property
    def rows(self) -> int:
        """Records that are in so far."""
        return sum(len(table) for table in self._tables)

    @property
    def remaining(self) -> Sequence[Chunk]:
        """Chunks that are still to be appended."""
        return self._chunks[len(self._summaries) :]

    @property
    def summary(self) -> ShardSummary:
        """Counts over what is in so far."""
        return merge_summaries(self._summaries)

    @property
    def table(self) -> pa.Table:
        """Record table of what is in so far."""
        return pa.concat_tables(self._tables).combine_chunks()

    def is_ready(self, chunk: Chunk) -> bool:
        """Whether the chunk's shard was made before and waits to be appended."""
        shard = load_shard(self._shards, chunk)
        return shard is not None and shard.has_signals

    def append(self, chunk: Chunk) -> None:
        """Move the signals of the next chunk's shard to the end of the store's."""
        shard = load_shard(self._shards, chunk)
        if shard is None:
            raise RunError(f"the part {chunk.number} of the unfinished store is gone: run the same command again")
        self._writer.append(np.load(shard.signals_path)[self._take(shard)])
        # only what has reached the disk may go from the shard
        self._writer.flush()
        shard.signals_path.unlink()

    def seal(self) -> None:
        """Complete the file of the signals."""
        self._writer.seal()

    def close(self) -> None:
        """Close the file of the signals as it is."""
        self._writer.close()

    def _recover(self, rows_on_disk: int) -> None:
        for chunk in self._chunks:
            shard = load_shard(self._shards, chunk)
            if shard is None or shard.has_signals:
                break
            self._take(shard)
        if self.rows > rows_on_disk:
            self._forget()

    def _forget(self) -> None:
        self._summaries: list[ShardSummary] = []
        self._tables: list[pa.Table] = []
        self._seen: set[int] = set()
        self.duplicates = 0

    def _take(self, shard: Shard) -> list[int]:
        """Enter a shard into the books and return which of its rows are no repeats."""
        owners = np.array([int(key, 16) for key in shard.table["patient"].to_pylist()], np.uint64)
        kept = []
        # owner and digest are both 64 bits of a hash: for one owner their XOR repeats only where the digest does
        for row, key in enumerate((owners ^ shard.table["digest"].to_numpy()).tolist()):
            if key not in self._seen:
                self._seen.add(key)
                kept.append(row)
        self.duplicates += len(owners) - len(kept)
        self._summaries.append(shard.summary)
        self._tables.append(shard.table.take(pa.array(kept, pa.int64())))
        return kept


def without_unused_labels(table: pa.Table, explicit: frozenset[str]) -> pa.Table:
    """Set labels to null throughout that no record carries: the archive's annotators may not have looked for them.

    Labels in ``explicit`` keep their False: there it is a statement.
    """
    for index, name in enumerate(table.column_names):
        if name in VOCABULARY and name not in explicit and not pc.any(table[name]).as_py():
            table = table.set_column(index, name, pa.nulls(len(table), pa.bool_()))
    return table


def shared_signals(table: pa.Table) -> int:
    """Records whose signal another record repeats exactly."""
    _, counts = np.unique(table["digest"].to_numpy(), return_counts=True)
    return int(counts[counts > 1].sum())
