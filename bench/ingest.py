"""Ingest compared with the loop that one would write first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import wfdb
from scipy.signal import resample_poly

from bench.row import Row, alternate
from cape_fed.archive.ingest import ingest_archive
from cape_fed.archive.plan import Recipe
from cape_fed.archive.registry import get_reader
from cape_fed.signal.profile import get_profile
from cape_fed.store.keys import site_salt
from cape_fed.synthetic.catalogue import default_cohorts
from cape_fed.synthetic.write import write_cohorts

COHORT = "synth-a"
PATIENTS, WORKERS, REPEATS = 2500, 2, 2
REFERENCE_RECORDS = 600
"""Records that the reference reads; both are compared by records per second."""


def make_archive(scratch: Path) -> Path:
    """Write one synthetic cohort at 500 Hz; return its archive."""
    write_cohorts(scratch / "archives", default_cohorts(1, 0), PATIENTS, 0)
    return scratch / "archives" / COHORT


def store_of(scratch: Path, archive: Path) -> Path:
    """Ingest the archive anew; return the store."""
    store = scratch / "store"
    shutil.rmtree(store, ignore_errors=True)
    recipe = Recipe(archive, get_reader("wfdb"), COHORT, COHORT, get_profile("compact100"), site_salt())
    ingest_archive(recipe, store, workers=WORKERS)
    return store


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    headers = sorted(archive.rglob("*.hea"))

    def loop() -> None:
        out = scratch / "loop"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        for number, header in enumerate(headers[:: len(headers) // REFERENCE_RECORDS][:REFERENCE_RECORDS]):
            record = wfdb.rdrecord(str(header.with_suffix("")))
            signal = resample_poly(record.p_signal, 100, record.fs, axis=0)
            np.save(out / f"{number}.npy", (signal.T[:, :1000] * 1000).astype(np.int16))

    def ingest() -> None:
        store_of(scratch, archive)

    ours, reference = alternate(ingest, loop, REPEATS)
    read = sum(path.stat().st_size for path in archive.rglob("*") if path.is_file())
    written = 24_000 * len(headers)
    yield Row(
        f"ingest of {len(headers)} records, 500 to 100 Hz, {WORKERS} processes",
        f"{len(headers) / ours:,.0f} records/s",
        f"one process, rdrecord + resample_poly + save: {REFERENCE_RECORDS / reference:,.0f} records/s",
        f"{(len(headers) / ours) / (REFERENCE_RECORDS / reference):.1f}x",
        "3x",
        f"{read / 1e6:.0f} MB read and {written / 1e6:.0f} MB written",
    )
