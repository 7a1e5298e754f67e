"""One chunk of an archive as rows of the store to be."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel

from cape_fed.archive.base import Entry, Notice, RawRecord, RecordError
from cape_fed.archive.findings import CATALOGUE
from cape_fed.archive.headers import MAX_SAMPLES_DECLARED
from cape_fed.archive.plan import Chunk, Recipe
from cape_fed.archive.window import read_window
from cape_fed.files import is_out_of_space
from cape_fed.signal.flat import store_row
from cape_fed.signal.profile import MARGIN_SECONDS
from cape_fed.signal.quality import DROP, REMEDY, Quality, assess
from cape_fed.store.fingerprint import signal_digests
from cape_fed.store.format import COLUMNS, Finding, row_shape
from cape_fed.store.keys import patient_key, unknown_patient_key
from cape_fed.vocabulary import VOCABULARY

SCHEMA = pa.schema([*COLUMNS.items(), *((label, pa.bool_()) for label in VOCABULARY)])
FAULTS = "faults.log"
"""Tracebacks of faults of our own, in the folder of the shards and then in the store's."""
EXAMPLES = 3
REASON_LENGTH = 160


class ShardSummary(BaseModel):
    """What became of the records of a chunk."""

    fingerprint: str
    seen: int = 0
    dropped: dict[str, int] = {}
    findings: dict[str, Finding] = {}

    def find(self, code: str, example: str) -> None:
        """Count a finding and keep the first few examples."""
        finding = self.findings.setdefault(code, Finding())
        finding.count += 1
        if len(finding.examples) < EXAMPLES:
            finding.examples.append(example)

    def notice(self, found: Notice) -> None:
        """Count what the listing of the archive found."""
        finding = self.findings.setdefault(found.code, Finding())
        finding.count += found.count
        finding.examples = (finding.examples + list(found.examples))[:EXAMPLES]

    def drop(self, code: str, record: str, reason: str) -> None:
        """Count a record that stays out of the store."""
        self.dropped[code] = self.dropped.get(code, 0) + 1
        self.find(code, (record if reason in record else f"{record}: {reason}")[:REASON_LENGTH])


class Shard(NamedTuple):
    """A chunk that has been read: its rows are in ``signals_path`` until they are part of the store's signals."""

    summary: ShardSummary
    table: pa.Table
    signals_path: Path

    @property
    def has_signals(self) -> bool:
        """Whether the rows are still to be appended to the store's signals."""
        return self.signals_path.is_file()


def make_shard(
    recipe: Recipe,
    chunk: Chunk,
    folder: Path,
    skip: Mapping[int, str] | None = None,
    at: Callable[[int], None] = lambda place: None,
) -> None:
    """Read the chunk's records and write the shard into ``folder``, the table last: what has a table is complete.

    No record ends an ingest: those that cannot be read are counted by class, those whose place in the chunk is in
    ``skip`` under the code there. ``at`` is called with each place before it is read. A fault of our own is counted
    under its type, its traceback goes to ``FAULTS`` in ``folder``. Raises OSError where the disk is full.
    """
    summary = ShardSummary(fingerprint=chunk.fingerprint, seen=chunk.records)
    signals = np.zeros((chunk.records, *row_shape(recipe.profile)), np.int16)
    rows: list[dict[str, Any]] = []
    for place, entry in enumerate(chunk.entries()):
        at(place)
        try:
            if skip and place in skip:
                raise RecordError(skip[place], CATALOGUE[skip[place]].meaning)
            rows.append(_convert(recipe, entry, signals[len(rows)], summary))
        except RecordError as error:
            summary.drop(error.code, entry.record, error.reason)
        except Exception as error:
            if isinstance(error, OSError) and is_out_of_space(error):
                raise
            summary.drop(type(error).__name__, entry.record, str(error))
            write_fault(folder, f"record {entry.record}", error)
    at(chunk.records)
    signals = signals[: len(rows)]
    columns = {name: [row.get(name) for row in rows] for name in SCHEMA.names}
    columns["digest"] = signal_digests(signals).tolist()
    _write(folder, chunk, signals, {"summary": summary.model_dump(), "columns": columns})


def write_fault(folder: Path, where: str, error: BaseException) -> None:
    """Add the traceback of a fault of our own to ``FAULTS``; it stays at the site."""
    text = "".join(traceback.format_exception(error))
    with (folder / FAULTS).open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{where}\n{text}\n")


def load_shard(folder: Path, chunk: Chunk) -> Shard | None:
    """Find the shard of a chunk, None where there is none or it was made from another listing or recipe."""
    signals_path, table_path = _paths(folder, chunk)
    try:
        held = json.loads(table_path.read_bytes())
        summary = ShardSummary.model_validate(held["summary"])
        if summary.fingerprint != chunk.fingerprint:
            return None
        return Shard(summary, pa.table(held["columns"], SCHEMA), signals_path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _convert(recipe: Recipe, entry: Entry, out: NDArray[np.int16], summary: ShardSummary) -> dict[str, Any]:
    raw = read_window(recipe.reader, recipe.root, entry, recipe.profile.seconds + MARGIN_SECONDS)
    flags = assess(raw.signal_mv, raw.fs, raw.saturated_leads)
    for flag in Quality(flags & DROP):
        raise RecordError(str(flag.name), REMEDY[flag])
    out[:], valid = store_row(raw.signal_mv, raw.fs, recipe.profile, Quality.FLAT_LEAD in flags)
    for code in raw.notes:
        summary.find(code, entry.record)
    labels = {label: bool(stated) for label, stated in raw.labels.items()}
    return _described(recipe, entry, raw) | {"quality": int(flags), "valid": valid} | labels


def _described(recipe: Recipe, entry: Entry, raw: RawRecord) -> dict[str, Any]:
    return {
        "record": entry.record,
        "patient": unknown_patient_key(recipe.salt, recipe.namespace, entry.source or entry.record)
        if raw.patient is None
        else patient_key(recipe.salt, recipe.namespace, raw.patient),
        "patient_known": raw.patient is not None,
        "age": None if raw.age is None else float(raw.age),
        "sex": raw.sex,
        "source_fs": float(raw.fs),
        "fold": raw.fold,
        "source_samples": _length(raw),
        "begins": raw.begins,
    }


def _length(raw: RawRecord) -> int:
    """Samples of the whole recording; raises RecordError where no recording is that long."""
    samples = raw.declared_samples or raw.signal_mv.shape[1]
    if samples > MAX_SAMPLES_DECLARED:
        raise RecordError("TOO_LONG", f"{samples} samples are declared")
    return samples


def _write(folder: Path, chunk: Chunk, signals: NDArray[np.int16], table: dict[str, Any]) -> None:
    signals_path, table_path = _paths(folder, chunk)
    partial = folder / f"{chunk.number}.{os.getpid()}.tmp"
    with partial.open("wb") as file:
        # not np.save, which says of a full disk only how much was written
        header = {"descr": "<i2", "fortran_order": False, "shape": signals.shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(signals, "<i2").data)
    partial.replace(signals_path)
    # JSON, since pyarrow makes every worker import pandas at its first array
    partial.write_text(json.dumps(table), encoding="utf-8")
    partial.replace(table_path)


def _paths(folder: Path, chunk: Chunk) -> tuple[Path, Path]:
    name = f"{chunk.number:06d}"
    return folder / f"{name}.npy", folder / f"{name}.json"


def merge_summaries(summaries: Iterable[ShardSummary]) -> ShardSummary:
    """Add up the counts; examples are those of the first shards."""
    total = ShardSummary(fingerprint="")
    for summary in summaries:
        total.seen += summary.seen
        for code, count in summary.dropped.items():
            total.dropped[code] = total.dropped.get(code, 0) + count
        for code, finding in summary.findings.items():
            merged = total.findings.setdefault(code, Finding())
            merged.count += finding.count
            merged.examples = (merged.examples + finding.examples)[:EXAMPLES]
    return total
