"""Synthetic cohorts on disk: WFDB archives, the list of the cohorts, and the truth about every record."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from cape_fed.errors import InputError
from cape_fed.synthetic.cohort import Batch, CohortSpec, make_cohort
from cape_fed.synthetic.truth import SNOMED
from cape_fed.synthetic.wfdb_format import write_record

FOLDER_SIZE = 1000
"""Records per folder."""

Progress = Callable[[int, int], None]
"""Called after each batch with the number of patients written and the number to write in all."""


def write_cohorts(
    out: Path,
    cohorts: Sequence[CohortSpec],
    patients: int,
    seed: int,
    progress: Progress = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Write ``out/<cohort>/`` (WFDB), ``out/truth/<cohort>.csv`` and ``out/cohorts.json``; return that list.

    Every cohort has ``patients`` patients. Everything is written to a temporary folder that is renamed to ``out`` at
    the end, so ``out`` is complete or absent. Raises InputError if ``out`` is a file or a folder that is not empty.
    """
    out = out.absolute()
    _check_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        listing = _write_all(partial, cohorts, patients, seed, progress)
        (partial / "cohorts.json").write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
        partial.chmod(0o755)
        partial.replace(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return listing


def _write_all(
    out: Path, cohorts: Sequence[CohortSpec], patients: int, seed: int, progress: Progress
) -> list[dict[str, Any]]:
    """Write the cohorts and their truth; return one entry of ``cohorts.json`` for each."""
    (out / "truth").mkdir()
    listing: list[dict[str, Any]] = []
    for spec in cohorts:
        before = sum(entry["patients"] for entry in listing)

        def report(done: int, before: int = before) -> None:
            progress(before + done, patients * len(cohorts))

        listing.append(_write_cohort(out, spec, patients, seed, report))
    return listing


def _check_free(out: Path) -> None:
    """Refuse to overwrite anything."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: name a folder that does not exist yet")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: name another folder or empty it first")


def _write_cohort(
    out: Path, spec: CohortSpec, patients: int, seed: int, report: Callable[[int], None]
) -> dict[str, Any]:
    """Write one cohort and return its entry of ``cohorts.json``; ``report`` gets the number of patients written."""
    tables: list[pd.DataFrame] = []
    paths: list[str] = []
    done = 0
    for batch in make_cohort(spec, patients, seed):
        paths += _write_batch(out / spec.name, batch, len(paths))
        tables.append(batch.truth)
        done += batch.truth["patient"].nunique()
        report(done)
    (out / spec.name / "RECORDS").write_text("".join(f"{path}\n" for path in paths), encoding="ascii")
    pd.concat(tables).to_csv(out / "truth" / f"{spec.name}.csv", index=False, float_format="%.4g")
    return {
        "name": spec.name,
        "role": spec.role,
        "format": "wfdb",
        "records": len(paths),
        "patients": done,
        "women": spec.population.women,
        "age": [spec.population.age_mean, spec.population.age_sd],
        "devices": [asdict(device) for device in spec.devices],
    }


def _write_batch(folder: Path, batch: Batch, written: int) -> list[str]:
    """Write the records of a batch, ``written`` records being in ``folder`` already; return their paths within it."""
    paths = []
    for offset, row in enumerate(batch.truth.to_dict("records")):
        subfolder = f"{(written + offset) // FOLDER_SIZE:03d}"
        if offset == 0 or (written + offset) % FOLDER_SIZE == 0:
            (folder / subfolder).mkdir(parents=True, exist_ok=True)
        name = str(row["record"])
        write_record(folder / subfolder, name, batch.signals[offset], batch.devices[offset], _comments(row))
        paths.append(f"{subfolder}/{name}")
    return paths


def _comments(row: dict[Any, Any]) -> dict[str, str]:
    """Comments in the header of one record; fields that the archive has lost say so.

    Sinus rhythm at a normal rate is stated only if there is no other finding, as in the headers of the PhysioNet
    Challenges.
    """
    codes = [code for label, code in SNOMED.items() if row[label] and (label != "SINUS" or row["NORM"])]
    return {
        "Age": str(int(row["age"])) if row["age_known"] else "NaN",
        "Sex": "Female" if row["sex"] == "F" else "Male",
        "Dx": ",".join(codes),
        "Patient ID": row["patient"] if row["patient_known"] else "Unknown",
    }
