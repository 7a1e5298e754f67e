"""From an archive to a store."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cape_fed.archive.assemble import Assembly, shared_signals, without_unused_labels
from cape_fed.archive.findings import CATALOGUE
from cape_fed.archive.paths import printable
from cape_fed.archive.plan import CHUNK_RECORDS, Plan, Recipe, make_plan
from cape_fed.archive.shards import FAULTS, ShardSummary
from cape_fed.archive.workers import RECORD_SECONDS, read_chunks
from cape_fed.errors import InputError
from cape_fed.files import is_out_of_space
from cape_fed.lock import locked
from cape_fed.signal.profile import Profile
from cape_fed.store.check import read_meta
from cape_fed.store.format import Provenance, StoreFiles, StoreMeta, partial_path, row_shape
from cape_fed.store.store import open_store
from cape_fed.store.writer import publish, refuse_foreign, require_text, write_description

log = logging.getLogger(__name__)

CHUNKS_WORTH_A_PROCESS = 3
"""Starting a worker takes about as long as reading this many chunks."""
REPEATED = "REPEATED_RECORD"

Report = Callable[[int, int], None]
"""Called with the records done and the records of the archive."""


@dataclass(frozen=True)
class Ingested:
    """What an ingest did."""

    store: Path
    meta: StoreMeta
    seconds: float
    records_read: int
    """Records read by this call: fewer than all after a resume."""
    was_there: bool = False
    """The store held this very archive already and was left as it is."""

    @property
    def size(self) -> int:
        """Bytes of the store."""
        return sum(path.stat().st_size for path in StoreFiles.of(self.store))


def ingest_archive(
    recipe: Recipe,
    store: Path,
    *,
    workers: int = 0,
    overwrite: bool = False,
    chunk_records: int = CHUNK_RECORDS,
    record_seconds: float = RECORD_SECONDS,
    report: Report = lambda done, total: None,
) -> Ingested:
    """Read an archive into a store.

    The store appears whole or not at all. What an interrupted ingest had read lies in ``STORE.partial`` and is used
    again by the next one with the same recipe. The store is the same for any number of workers and interruptions.
    A store that holds this very archive already is left as it is; files are compared by size and time of change.
    With 0 ``workers`` the archive is read in this process. With more, a record that crashes its worker or takes longer
    than ``record_seconds`` is left out and counted.

    Raises InputError where the archive cannot be listed or nothing in it can be used, where ``store`` is taken or has
    a name that is no UTF-8, where another process writes to it, and where the disk is full; RunError for faults of our
    own that no single record is to blame for.
    """
    started = time.perf_counter()
    require_text(store)
    if not overwrite and StoreFiles.of(store).meta.is_file():
        return _already_there(recipe, store, chunk_records, started)
    refuse_foreign(store, overwrite=overwrite)
    plan = make_plan(recipe, chunk_records)
    partial = partial_path(store)
    try:
        _require_space(partial, recipe.profile, plan.records)
        with locked(partial / "lock"):
            read = _build(recipe, plan, partial, workers, record_seconds, report)
            publish(partial / "store", store, overwrite=overwrite)
            shutil.rmtree(partial)
    except OSError as error:
        if not is_out_of_space(error):
            raise
        where = printable(str(error.filename or store.parent.absolute()))
        raise InputError(f"no space left on {where}: free some; the same command goes on") from None
    return Ingested(store, read_meta(store), time.perf_counter() - started, read)


def _already_there(recipe: Recipe, store: Path, chunk_records: int, started: float) -> Ingested:
    meta = open_store(store).meta
    if make_plan(recipe, chunk_records).fingerprint != meta.plan:
        raise InputError(f"{store} holds another archive, an older state or other options: pass --overwrite")
    return Ingested(store, meta, time.perf_counter() - started, 0, was_there=True)


def _build(
    recipe: Recipe, plan: Plan, partial: Path, workers: int, record_seconds: float, report: Report
) -> int:  # fmt: skip
    """Make the store in ``partial/store`` and return how many records were read for it."""
    folder, shards = partial / "store", partial / "shards"
    partial.chmod(0o700)
    for path in (folder, shards):
        path.mkdir(exist_ok=True)
    with closing(Assembly(StoreFiles.of(folder).signals, shards, recipe.profile, plan.chunks)) as assembly:
        ready = frozenset(chunk.number for chunk in assembly.remaining if assembly.is_ready(chunk))
        missing = [chunk for chunk in assembly.remaining if chunk.number not in ready]
        to_read = sum(chunk.records for chunk in missing)
        _start_or_resume(shards, plan.records - to_read)
        done = plan.records - sum(chunk.records for chunk in assembly.remaining)
        useful = min(workers, max(1, len(missing) // CHUNKS_WORTH_A_PROCESS)) if missing else 0
        with closing(read_chunks(recipe, assembly.remaining, shards, useful, ready, record_seconds)) as read:
            for chunk in read:
                assembly.append(chunk)
                done += chunk.records
                report(done, plan.records)
        _keep_faults(shards, folder, assembly.summary)
        _describe(recipe, plan, assembly, folder)
    return to_read


def _keep_faults(shards: Path, folder: Path, summary: ShardSummary) -> None:
    """Put the tracebacks of faults of our own into the store's folder and say that there are some."""
    if (shards / FAULTS).is_file():
        shutil.copy(shards / FAULTS, folder / FAULTS)
        kinds = ", ".join(f"{code}: {count}" for code, count in summary.dropped.items() if code not in CATALOGUE)
        log.error("faults of cape-fed itself kept records out (%s): their tracebacks are in %s", kinds, FAULTS)


def _describe(recipe: Recipe, plan: Plan, assembly: Assembly, folder: Path) -> None:
    summary = assembly.summary
    for notice in plan.notices:
        summary.notice(notice)
    for record in plan.repeated:
        summary.seen += 1
        summary.drop(REPEATED, record, "listed before")
    if not assembly.rows:
        shutil.rmtree(folder.parent)
        raise InputError(f"no record of {recipe.root} can be used ({_reasons(summary)}): run cape-fed doctor on it")
    assembly.seal()
    table = without_unused_labels(assembly.table, recipe.reader.explicit_labels)
    provenance = Provenance(
        source_format=recipe.reader.name,
        plan=plan.fingerprint,
        records_seen=summary.seen,
        dropped=summary.dropped,
        duplicates=assembly.duplicates,
        shared_signals=shared_signals(table),
        findings=summary.findings,
        common_gain=recipe.common_gain,
    )
    write_description(folder, cohort=recipe.cohort, profile=recipe.profile, table=table, provenance=provenance)


def _start_or_resume(shards: Path, resumed: int) -> None:
    if resumed:
        log.warning("resuming in %s: %d records were read before", shards.parent, resumed)
    elif any(shards.iterdir()):
        log.warning("%s is of other records or options: starting over", shards.parent)
        for stale in shards.iterdir():
            stale.unlink()


def _require_space(partial: Path, profile: Profile, records: int) -> None:
    leads, samples = row_shape(profile)
    partial.parent.mkdir(parents=True, exist_ok=True)
    held = sum(path.stat().st_size for path in partial.rglob("*.npy"))
    needed, free = records * leads * samples * 2 - held, shutil.disk_usage(partial.parent).free
    if needed > free:
        raise InputError(
            f"no space left on {partial.parent.absolute()}: {records} records need {needed / 1e6:.1f} MB, "
            f"{free / 1e6:.1f} MB are free: free some, the same command goes on, or choose another place"
        )


def _reasons(summary: ShardSummary) -> str:
    ranked = sorted(summary.dropped.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{code}: {count}, e.g. {summary.findings[code].examples[0]}" for code, count in ranked)
