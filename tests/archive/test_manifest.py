from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.base import RawRecord, RecordError
from cape_fed.archive.manifest import Manifest
from cape_fed.errors import InputError
from cape_fed.vocabulary import VOCABULARY
from tests.archive.files import counts, ecg, write_wfdb

READER = Manifest()


def read_all(root: Path) -> list[RawRecord]:
    return [READER.read(root, entry) for entry in READER.entries(root)]


def test_the_contract(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "data/a", counts(ecg(1)), comments=["Age: 99", "Patient ID: other", "Dx: 164889003"])
    write_wfdb(tmp_path / "data/b", counts(ecg(2)))
    (tmp_path / "manifest.csv").write_text(
        "Path;PATIENT_ID;Age;sex;af;Norm;ward\ndata/b.hea;17;61;female;1;false;3\ndata/a;;;;;0;\n"
    )
    for root in (tmp_path, tmp_path / "manifest.csv"):
        first, second = read_all(root)
        assert (first.record, first.patient, first.age, first.sex) == ("data/b.hea", "17", 61, "F")
        assert first.labels == {"AF": True, "NORM": False}
        assert (first.notes, first.unmapped) == (("UNKNOWN_COLUMN",), ("column ward",))
        assert (second.patient, second.age, second.sex, second.labels) == (None, None, None, {"NORM": False})
        np.testing.assert_allclose(second.signal_mv, ecg(1), atol=6e-4)
    assert READER.explicit_labels == set(VOCABULARY)


def test_headers_in_capitals(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "a", counts(ecg()))
    (tmp_path / "a.hea").rename(tmp_path / "a.HEA")
    (tmp_path / "manifest.csv").write_text("path,age\na.HEA,61\n")
    (raw,) = read_all(tmp_path)
    np.testing.assert_allclose(raw.signal_mv, ecg(), atol=6e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int16])
@pytest.mark.parametrize("transposed", [False, True])
def test_arrays(tmp_path: Path, dtype: type, transposed: bool) -> None:
    signal = (ecg(fs=360) * 10).astype(dtype)
    np.save(tmp_path / "a.npy", signal.T if transposed else signal)
    (tmp_path / "m.csv").write_text("path,fs\na.npy,360\n")
    (raw,) = read_all(tmp_path / "m.csv")
    assert (raw.fs, raw.signal_mv.dtype) == (360, np.float32)
    np.testing.assert_allclose(raw.signal_mv, signal.astype(np.float32))
    (entry,) = READER.entries(tmp_path / "m.csv")
    assert READER.read(tmp_path / "m.csv", entry, 2).signal_mv.shape == (12, 720)


def test_infinities_in_arrays_are_missing_samples(tmp_path: Path) -> None:
    signal = ecg().astype(np.float64)
    signal[2, :2] = np.inf, 1e300
    np.save(tmp_path / "a.npy", signal)
    (tmp_path / "manifest.csv").write_text("path,fs\na.npy,500\n")
    (raw,) = read_all(tmp_path)
    assert np.isnan(raw.signal_mv).sum() == 2


@pytest.mark.parametrize(
    ("array", "fs", "code"),
    [
        (np.zeros((11, 500)), "500", "NO_LEADS"),
        (np.zeros(500), "500", "NO_LEADS"),
        (np.zeros((12, 500), complex), "500", "NO_LEADS"),
        (np.array([{}] * 12), "500", "UNREADABLE"),
        (np.zeros((12, 500)), "", "BAD_RATE"),
        (np.zeros((12, 500)), "fast", "BAD_RATE"),
        (np.zeros((12, 500)), "1e9", "BAD_RATE"),
    ],
)
def test_arrays_that_are_no_recordings(tmp_path: Path, array: np.ndarray, fs: str, code: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    (tmp_path / "manifest.csv").write_text(f"path,fs\na.npy,{fs}\n")
    (entry,) = READER.entries(tmp_path)
    with pytest.raises(RecordError) as caught:
        READER.read(tmp_path, entry)
    assert caught.value.code == code


def codes_of(root: Path) -> list[str]:
    """The errors of all records, none of which can be read."""
    codes = []
    for entry in READER.entries(root):
        with pytest.raises(RecordError) as caught:
            READER.read(root, entry)
        codes.append(caught.value.code)
    return codes


def test_missing_files_and_damaged_arrays_are_errors_of_their_records(tmp_path: Path) -> None:
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((")
    (tmp_path / "manifest.csv").write_text("path,fs\nnone,\nnone.npy,500\nbad.npy,500\n,\n")
    assert codes_of(tmp_path) == ["MISSING_FILE", "MISSING_FILE", "UNREADABLE", "MISSING_FILE"]


def test_archives_of_arrays_and_pipes_are_errors_of_their_records(tmp_path: Path) -> None:
    np.savez(tmp_path / "several.npz", ecg())
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "manifest.csv").write_text("path,fs\nseveral.npy,500\npipe.npy,500\n")
    assert codes_of(tmp_path) == ["UNREADABLE", "MISSING_FILE"]


def test_cells_that_are_no_truth_values(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "a", counts(ecg(seconds=1)))
    (tmp_path / "manifest.csv").write_text("path,AF,MI\na,perhaps,nan\n")
    (raw,) = read_all(tmp_path)
    assert (raw.labels, raw.notes) == ({}, ("BAD_LABELS",))


def test_the_record_of_a_row_of_another_width_gets_no_shifted_values(tmp_path: Path) -> None:
    for name in ("a0", "a1", "a2"):
        write_wfdb(tmp_path / name, counts(ecg(seconds=1)))
    (tmp_path / "manifest.csv").write_text(
        "path,patient_id,age,sex,AF,LBBB\na0.hea,P001,61,5,F,0,1\na1.hea,P002,64,0,M,1,0\na2,P003,70,F,1,0\n"
    )
    entries = list(READER.entries(tmp_path))
    reasons = []
    for entry in entries[:2]:
        with pytest.raises(RecordError) as caught:
            READER.read(tmp_path, entry)
        reasons.append((caught.value.code, entry.record))
    assert reasons == [("ROW_WIDTH", f"manifest.csv, line {line}: 7 cells where the heading has 6") for line in (2, 3)]
    assert READER.read(tmp_path, entries[2]).labels == {"AF": True, "LBBB": False}


def test_cells_that_are_not_understood_are_shown(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "a", counts(ecg(seconds=1)))
    (tmp_path / "manifest.csv").write_text("path,sex,age,AF,patient_id\na,weiblich,alt,ja,1.5E+08\n")
    (raw,) = read_all(tmp_path)
    assert (raw.sex, raw.age, raw.labels, raw.patient) == (None, None, {}, None)
    assert [found.shown for found in raw.misread] == [
        "af 'ja'", "patient_id '1.5E+08'", "age 'alt'", "sex 'weiblich'",
    ]  # fmt: skip


@pytest.mark.parametrize("second", ["a,2,F", "a.hea,1,M", "a.hea,2,F"])
def test_a_repeated_path_with_other_values_is_refused(tmp_path: Path, second: str) -> None:
    (tmp_path / "manifest.csv").write_text(f"path,patient_id,sex\na,1,F\n{second}\n")
    with pytest.raises(InputError, match="path a twice with different values, again in line 3"):
        list(READER.entries(tmp_path))


def test_arrays_say_how_long_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ecg(fs=360))
    (tmp_path / "manifest.csv").write_text('path,fs\na.npy,"360,0"\n')
    (entry,) = READER.entries(tmp_path)
    found = READER.read(tmp_path, entry, 2)
    assert (found.fs, found.signal_mv.shape[1], found.declared_samples) == (360, 720, 3600)


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        list(READER.entries(tmp_path))
    (tmp_path / "m.csv").write_text("file\na\n")
    with pytest.raises(InputError, match="no column path"):
        list(READER.entries(tmp_path / "m.csv"))
    with pytest.raises(InputError, match="no archive"):
        list(READER.entries(tmp_path / "none.csv"))
