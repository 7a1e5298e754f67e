from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from cape_fed.archive.base import Entry, Notice, RecordError
from cape_fed.archive.code15 import Code15, strip_zeros
from cape_fed.errors import InputError
from tests.archive.files import counts, ecg, write_wfdb

READER = Code15()
HEADINGS = "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,normal_ecg,trace_file"


def write_part(path: Path, exams: dict[int, np.ndarray]) -> None:
    """Exams as published: ``[N, 4096, 12]``, zeros around short ones, a row of zeros with id 0 at the end."""
    tracings = np.zeros((len(exams) + 1, 4096, 12), np.float32)
    for row, signal in enumerate(exams.values()):
        start = (4096 - signal.shape[1]) // 2
        tracings[row, start : start + signal.shape[1]] = signal.T
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array([*exams, 0], np.int64)
        file["tracings"] = tracings


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "exams.csv").write_text(
        f"{HEADINGS}\n"
        "9,38,True,40.1,False,False,False,False,False,False,523632,True,exams_part2.hdf5\n"
        "1,73,False,67.0,True,False,False,True,False,False,,False,exams_part10.hdf5\n"
        "4,500,,67.0,,,,,,True,523632.0,,exams_part2.hdf5\n"
    )
    write_part(tmp_path / "exams_part10.hdf5", {1: ecg(1, 400, 7)})
    write_part(tmp_path / "exams_part2.hdf5", {9: ecg(9, 400, 10.24), 4: ecg(4, 400, 10), 77: ecg(5, 400, 10)})
    return tmp_path


def test_hdf5_parts(archive: Path) -> None:
    entries = pickle.loads(pickle.dumps(list(READER.entries(archive))))
    raws = {raw.record: raw for raw in (READER.read(archive, entry) for entry in entries)}
    assert list(raws) == ["9", "4", "77", "1"]
    assert [raw.signal_mv.shape[1] for raw in raws.values()] == [4096, 4000, 4000, 2800]
    np.testing.assert_array_equal(raws["1"].signal_mv, ecg(1, 400, 7))
    assert {raw.fs for raw in raws.values()} == {400}
    assert [raw.patient for raw in raws.values()] == ["523632", "523632", None, None]
    assert [(raw.age, raw.sex) for raw in raws.values()] == [(38, "M"), (None, None), (None, None), (73, "F")]
    assert raws["1"].notes == ("ZERO_PADDED",)
    assert raws["4"].notes == ("ZERO_PADDED", "AGE_IMPLAUSIBLE")


def test_labels_are_those_of_the_table(archive: Path) -> None:
    labels = [READER.read(archive, entry).labels for entry in READER.entries(archive)]
    assert [name for name, value in labels[3].items() if value] == ["AVB1", "SBRAD"]
    assert labels[0]["NORM"] is True
    assert labels[1] == {"AF": True}
    assert labels[2] == {}
    assert set(labels[0]) <= READER.explicit_labels
    assert "SINUS" not in labels[3]


def test_the_first_seconds(archive: Path) -> None:
    entry = next(READER.entries(archive))
    np.testing.assert_array_equal(READER.read(archive, entry, 2).signal_mv, ecg(9, 400, 10.24)[:, :800])


def test_wfdb_records_named_by_exam(tmp_path: Path) -> None:
    (tmp_path / "exams.csv").write_text("patient_id,exam_id,age,is_male\n48705,12,43,True\n,13,,\n")
    comments = ["Patient ID: 7", "Age: 50", "Sex: Female", "Chagas label: True"]
    for name in ("12", "13", "14"):
        write_wfdb(tmp_path / name, counts(ecg(fs=400)), fs=400, comments=comments)
    raws = [READER.read(tmp_path, entry) for entry in READER.entries(tmp_path)]
    assert [(raw.record, raw.patient, raw.age, raw.sex) for raw in raws] == [
        ("12", "48705", 43, "M"),
        ("13", "7", 50, "F"),
        ("14", "7", 50, "F"),
    ]
    assert all(raw.labels == {"CHAGAS": True} for raw in raws)


@pytest.mark.parametrize("kind", ["f8", "f4", "S8", "O", "u4"])
def test_exam_ids_of_another_type(archive: Path, kind: str) -> None:
    expected = [(entry.record, dict(entry.locator)) for entry in READER.entries(archive)]
    for part in archive.glob("*.hdf5"):
        with h5py.File(part, "r+") as file:
            ids = file["exam_id"][:]
            del file["exam_id"]
            typed = np.array([str(exam) for exam in ids], h5py.string_dtype()) if kind == "O" else ids.astype(kind)
            file["exam_id"] = typed[:, None] if kind == "f8" else typed
    assert [(entry.record, dict(entry.locator)) for entry in READER.entries(archive)] == expected


def test_exam_ids_that_lost_digits_are_named_and_joined_with_nothing(archive: Path) -> None:
    with h5py.File(archive / "exams_part10.hdf5", "r+") as file:
        del file["exam_id"]
        file["exam_id"] = np.array([16777219, 0], np.float32)
    found = list(READER.entries(archive))
    notices = [notice for notice in found if isinstance(notice, Notice)]
    assert [notice.code for notice in notices] == ["ID_ROUNDED", "TABLE_MISMATCH"]
    assert [entry.record for entry in found if isinstance(entry, Entry)][-1] == "exams_part10.hdf5, row 0"


def test_a_table_of_other_exams_is_a_finding(archive: Path) -> None:
    table = (archive / "exams.csv").read_text()
    (archive / "exams.csv").write_text(table.replace("\n9,", "\nTNMG9,").replace("\n4,", "\nTNMG4,"))
    (notice,) = (found for found in READER.entries(archive) if isinstance(found, Notice))
    assert (notice.code, notice.count) == ("TABLE_MISMATCH", 3)
    assert notice.examples == (
        "exam_id of records that exams.csv does not name: 9, 4, 77",
        "exam_id in exams.csv that no record has: TNMG9, TNMG4",
    )


def test_a_repeated_exam_with_other_values_is_refused(archive: Path) -> None:
    with (archive / "exams.csv").open("a") as file:
        file.write("9.0,38,False,40.1,False,False,False,False,False,False,523632,True,exams_part2.hdf5\n")
    with pytest.raises(InputError, match="exam_id 9 twice with different values"):
        list(READER.entries(archive))


def test_parts_that_declare_more_than_they_can_hold(tmp_path: Path) -> None:
    (tmp_path / "exams.csv").write_text("exam_id\n1\n")
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as file:
        file["exam_id"] = np.array([1, 2])
        file.create_dataset("tracings", (2, 2**31, 12), np.float32, chunks=(1, 4096, 12))
    for entry in READER.entries(tmp_path):
        if isinstance(entry, Entry):
            with pytest.raises(RecordError) as caught:
                READER.read(tmp_path, entry)
            assert caught.value.code == "TOO_LONG"


def test_samples_that_are_no_numbers(archive: Path) -> None:
    with h5py.File(archive / "exams_part10.hdf5", "r+") as file:
        file["tracings"][0, 2000, 3] = np.inf
    *_, entry = READER.entries(archive)
    assert np.isnan(READER.read(archive, entry).signal_mv).sum() == 1


def test_damaged_parts_are_one_clear_line(archive: Path) -> None:
    data = (archive / "exams_part2.hdf5").read_bytes()
    (archive / "exams_part2.hdf5").write_bytes(data[:1000])
    with pytest.raises(InputError, match="exams_part2"):
        list(READER.entries(archive))
    with h5py.File(archive / "exams_part2.hdf5", "w") as file:
        file["exam_id"] = np.arange(3)
        file["tracings"] = np.zeros((3, 12, 4096))
    with pytest.raises(InputError, match="shape"):
        list(READER.entries(archive))


def test_a_part_that_vanishes(archive: Path) -> None:
    entries = list(READER.entries(archive))
    (archive / "exams_part2.hdf5").unlink()
    with pytest.raises(RecordError):
        READER.read(archive, entries[0])


def test_no_archive(tmp_path: Path) -> None:
    write_part(tmp_path / "exams_part0.hdf5", {1: ecg(1, 400)})
    with pytest.raises(InputError, match=r"exams\.csv"):
        list(READER.entries(tmp_path))
    (tmp_path / "exams_part0.hdf5").unlink()
    (tmp_path / "exams.csv").write_text("exam_id\n1\n")
    with pytest.raises(InputError, match="hdf5"):
        list(READER.entries(tmp_path))
    (tmp_path / "exams.csv").write_text("id\n1\n")
    with pytest.raises(InputError, match="no column exam_id"):
        list(READER.entries(tmp_path))


def test_zeros_inside_a_recording_stay() -> None:
    signal = np.zeros((12, 10), np.float32)
    signal[3, 2] = signal[5, 7] = 1
    stripped, first, padded = strip_zeros(signal)
    assert (stripped.shape, first, padded) == ((12, 6), 2, True)
    assert strip_zeros(np.zeros((12, 4), np.float32))[0].shape == (12, 4)


def test_real_cohort(real_data: Path) -> None:
    root = real_data / "code15"
    raws = [READER.read(root, entry, 1) for entry in READER.entries(root)]
    assert len(raws) == 502
    assert sum(raw.patient is not None for raw in raws) == 318
    assert sum(raw.labels.get("CHAGAS", False) for raw in raws) == 97
    assert sum("CHAGAS" in raw.labels for raw in raws) == 492
