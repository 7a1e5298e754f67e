from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.base import Entry, RawRecord
from cape_fed.archive.doctor import diagnose
from cape_fed.archive.ingest import ingest_archive
from cape_fed.archive.manifest import Manifest
from cape_fed.archive.registry import get_reader
from cape_fed.archive.window import read_window, window
from cape_fed.signal.profile import apply_profile, get_profile
from cape_fed.store.store import open_store
from tests.archive.fake import recipe
from tests.archive.files import counts, ecg, write_wfdb


def padded(signal: np.ndarray, before: int, after: int = 0) -> np.ndarray:
    return np.pad(signal, ((0, 0), (before, after)))


def raw(signal: np.ndarray, fs: float = 100) -> RawRecord:
    return RawRecord("r", None, None, None, {}, signal, fs)


@pytest.mark.parametrize(
    ("before", "after", "seconds", "kept"),
    [
        (0, 0, 20.0, slice(0, 1000)),
        (0, 0, 4.0, slice(0, 400)),
        (900, 300, 20.0, slice(0, 1000)),
        (900, 300, 4.0, slice(0, 400)),
        (5, 5, 20.0, slice(-5, 1005)),  # too few to be padding
        (0, 300, 20.0, slice(0, 1000)),
    ],
)
def test_padding_is_cut_off(before: int, after: int, seconds: float, kept: slice) -> None:
    signal = padded(ecg(0, 100), before, after)
    found = window(raw(signal), seconds)
    np.testing.assert_array_equal(found.signal_mv, signal[:, kept.start + before : kept.stop + before])
    whole = found.signal_mv.shape[1] == signal.shape[1]
    assert found.declared_samples == (None if whole else signal.shape[1])
    assert found.notes == (("ZERO_PADDED",) if before >= 300 or after >= 300 else ())


def test_missing_leads_do_not_hide_padding_and_zeros_within_stay() -> None:
    signal = padded(ecg(0, 100), 200)
    signal[:, 500:600] = 0
    signal[4] = np.nan
    found = window(raw(signal), 20)
    np.testing.assert_array_equal(found.signal_mv, signal[:, 200:])


@pytest.mark.parametrize("signal", [np.zeros((12, 500)), np.full((12, 500), np.nan), np.zeros((12, 0))])
def test_recordings_without_signal_stay_what_they_are(signal: np.ndarray) -> None:
    found = window(raw(signal.astype(np.float32)), 20)
    assert (found.signal_mv.shape, found.notes) == (signal.shape, ())


def test_arrays_of_other_readers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", padded(ecg(0, 100, 60), 1200))
    entry = Entry("a", {"path": "a.npy", "fs": "100"})
    found = read_window(Manifest(), tmp_path, entry, 10.5)
    np.testing.assert_array_equal(found.signal_mv, ecg(0, 100, 60)[:, :1050])


def test_ingest_and_doctor_judge_the_same_window(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    write_wfdb(root / "late", padded(counts(ecg(0, 100, 48)), 1200), fs=100)
    write_wfdb(root / "empty", counts(np.zeros((12, 6000))), fs=100)
    write_wfdb(root / "fine", counts(np.pad(ecg(1, 100, 20), ((0, 0), (0, 4000)))), fs=100)
    findings = {finding.code: finding.examples for finding in diagnose(root, get_reader("wfdb")).findings}
    assert findings["NO_SIGNAL"] == ["empty"]
    assert findings["ZERO_PADDED"] == ["late"]
    ingest_archive(recipe(root, get_reader("wfdb")), tmp_path / "store")  # type: ignore[arg-type]
    store = open_store(tmp_path / "store")
    assert (list(store.records), store.meta.dropped) == (["fine", "late"], {"NO_SIGNAL": 1})
    expected, _ = apply_profile(ecg(0, 100, 48)[:, :1050], 100, get_profile("compact100"))
    assert np.abs(store.gather([1])[0].astype(int) - expected).max() <= 1
