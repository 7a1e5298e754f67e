"""The four real cohorts through ingest; skipped where they are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.ingest import ingest_archive
from cape_fed.archive.plan import Recipe
from cape_fed.archive.registry import get_reader
from cape_fed.signal.profile import get_profile
from cape_fed.store.store import Store, open_store


def ingested(root: Path, store: Path, form: str) -> Store:
    profile = get_profile("compact100")
    ingest_archive(Recipe(root, get_reader(form), root.name, root.name, profile, bytes(32)), store)
    return open_store(store)


@pytest.mark.parametrize(
    ("cohort", "form", "seen", "records", "patients"),
    [
        ("ptbxl", "ptbxl", 1988, 1988, 1851),
        ("code15", "code15", 502, 501, 493),
        ("code15", "wfdb", 502, 501, 493),
        ("cpsc2018", "wfdb", 105, 105, 105),
        ("ningbo", "wfdb", 66, 66, 66),
    ],
)
def test_counts(
    real_data: Path, tmp_path: Path, cohort: str, form: str, seen: int, records: int, patients: int
) -> None:
    store = ingested(real_data / cohort, tmp_path / "store", form)
    meta = store.meta
    assert (meta.records_seen, meta.records, meta.patients) == (seen, records, patients)
    swing = np.ptp(store.signals, axis=2) / 1000
    assert 0.5 < np.median(swing) < 5
    assert 40 < np.nanmedian(store.label("age")) < 75


def test_limb_leads_still_add_up_after_preprocessing(real_data: Path, tmp_path: Path) -> None:
    store = ingested(real_data / "ningbo", tmp_path / "store", "wfdb")
    one, two, three = store.signals[:, 0], store.signals[:, 1], store.signals[:, 2]
    residual = two.astype(int) - one - three
    residual -= np.median(residual, axis=1, keepdims=True).astype(int)
    assert np.median(np.abs(residual).max(axis=1)) < 30
