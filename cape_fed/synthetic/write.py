"""Synthetic cohorts on disk: WFDB archives, the list of cohorts, the truth beside them."""

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
"""Records a folder."""

Progress = Callable[[int], None]


def write_cohorts(
    out: Path, cohorts: Sequence[CohortSpec], patients: int, seed: int, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Write ``out/<cohort>/`` (WFDB), ``out/truth/<cohort>.csv`` and ``out/cohorts.json``; return that list.

    Everything is written beside ``out`` and renamed, so ``out`` is whole or absent. ``progress`` is told how many
    patients are done after each batch. Raises InputError where ``out`` is a file or a folder that is not empty.
    """
    out = out.absolute()
    _check_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        (beside / "truth").mkdir()
        listing = [_write_cohort(beside, spec, patients, seed, progress) for spec in cohorts]
        (beside / "cohorts.json").write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
        beside.chmod(0o755)
        beside.replace(out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return listing


def _check_free(out: Path) -> None:
    """Refuse to write over anything."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: name a folder that does not exist yet")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: name another folder or empty it first")


def _write_cohort(out: Path, spec: CohortSpec, patients: int, seed: int, progress: Progress | None) -> dict[str, Any]:
    """Write one cohort; return its entry in ``cohorts.json``."""
    tables: list[pd.DataFrame] = []
    paths: list[str] = []
    done = 0
    for batch in make_cohort(spec, patients, seed):
        paths += _write_batch(out / spec.name, batch, len(paths))
        tables.append(batch.truth)
        people = batch.truth["patient"].nunique()
        done += people
        if progress:
            progress(people)
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
    """Write a batch's records after the ``written`` ones before it; return their paths below ``folder``."""
    paths = []
    for offset, row in enumerate(batch.truth.to_dict("records")):
        place = f"{(written + offset) // FOLDER_SIZE:03d}"
        if offset == 0 or (written + offset) % FOLDER_SIZE == 0:
            (folder / place).mkdir(parents=True, exist_ok=True)
        name = str(row["record"])
        write_record(folder / place, name, batch.signals[offset], batch.devices[offset], _comments(row))
        paths.append(f"{place}/{name}")
    return paths


def _comments(row: dict[Any, Any]) -> dict[str, str]:
    """Header comments of one record, with the gaps that its flaws leave.

    Sinus rhythm at a usual rate is stated where there is nothing else to state, as in the Challenge's headers.
    """
    codes = [code for label, code in SNOMED.items() if row[label] and (label != "SINUS" or row["NORM"])]
    return {
        "Age": str(int(row["age"])) if row["age_known"] else "NaN",
        "Sex": "Female" if row["sex"] == "F" else "Male",
        "Dx": ",".join(codes),
        "Patient ID": row["patient"] if row["patient_known"] else "Unknown",
    }
