from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.base import Notice
from cape_fed.archive.wfdb_tree import WfdbTree, find_records, patient_of_folder
from cape_fed.errors import InputError
from tests.archive.files import counts, ecg, write_wfdb

READER = WfdbTree()


def test_records_of_a_tree_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b/2", "a", "b/10", "c/d/e", ".hidden/x", "b_0001"):
        write_wfdb(tmp_path / name, counts(ecg(seconds=1)))
    (tmp_path / "notes.txt").write_text("no record")
    (tmp_path / "b" / "._2.hea").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    assert list(find_records(tmp_path)) == ["a", "b_0001", "b/10", "b/2", "c/d/e"]


def test_segments_are_no_records_of_their_own(tmp_path: Path) -> None:
    signal = counts(ecg())
    for name in ("a_0001", "a_0002", "b_0001", "b"):
        write_wfdb(tmp_path / name, signal[:, :2500])
    (tmp_path / "a.hea").write_text("a/2 12 500 5000\na_0001 2500\na_0002 2500\n")
    assert list(find_records(tmp_path)) == ["a", "b", "b_0001"]


def test_segments_of_any_name_are_no_records_of_their_own(tmp_path: Path) -> None:
    signal = counts(ecg())
    for name in ("limb", "3544749_0001", "3544749_0002", "other"):
        write_wfdb(tmp_path / name, signal[:, :2500])
    (tmp_path / "night.hea").write_text("night/2 12 500 5000\n3544749_0001 2500\nlimb 2500\n")
    (tmp_path / "day.hea").write_text("day/3 12 500 5000\n~ 2500\n3544749_0002 2500\nday 0\n")
    (tmp_path / "of-records.hea").write_text("of-records/2 12 500 5000\nday 2500\nnight 2500\n")
    assert list(find_records(tmp_path)) == ["day", "night", "of-records", "other"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "sub" / "a", counts(ecg(seconds=1)))
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    assert list(find_records(tmp_path)) == ["sub/a"]


def listed(root: Path) -> tuple[list[str], list[str]]:
    notices: list[Notice] = []
    return list(find_records(root, notices)), [f"{notice.code}: {notice.examples[0]}" for notice in notices]


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "archive", tmp_path / "elsewhere"
    write_wfdb(root / "a", counts(ecg(seconds=1)))
    write_wfdb(elsewhere / "2024" / "b", counts(ecg(1, seconds=1)))
    (root / "2024").symlink_to(elsewhere / "2024")
    assert listed(root) == (["a", "2024/b"], [])
    entries = list(READER.entries(root))
    assert READER.read(root, entries[1]).signal_mv.shape == (12, 500)


def test_every_folder_is_listed_once_whatever_links_there_are(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "archive", tmp_path / "elsewhere"
    write_wfdb(root / "x" / "a", counts(ecg(seconds=1)))
    write_wfdb(elsewhere / "y" / "b", counts(ecg(1, seconds=1)))
    (elsewhere / "y" / "back").symlink_to(root)
    (elsewhere / "y" / "up").symlink_to(elsewhere)
    (root / "link").symlink_to(elsewhere / "y")
    (root / "other").symlink_to(elsewhere)
    (root / "parent").symlink_to(tmp_path)
    (root / "itself").symlink_to(root / "itself")
    (root / "unmounted").symlink_to(tmp_path / "nowhere")
    records, notices = listed(root)
    assert sorted(path.rpartition("/")[2] for path in records) == ["a", "b"]
    assert {notice.split(" leads")[0] for notice in notices} >= {
        "LINKED_FOLDER: parent", "BROKEN_LINK: itself", "BROKEN_LINK: unmounted",
    }  # fmt: skip


def test_a_missing_signal_file_is_no_broken_link(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "a", counts(ecg(seconds=1)))
    (tmp_path / "a.dat").unlink()
    (tmp_path / "a.dat").symlink_to(tmp_path / "nowhere")
    assert listed(tmp_path) == (["a"], [])


def test_listing_streams(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_wfdb(tmp_path / name / "r", counts(ecg(seconds=1)))
    entries = READER.entries(tmp_path)
    assert next(entries).record == "a/r"
    (tmp_path / "b" / "r.hea").unlink()
    assert list(entries) == []


def test_names_that_are_no_utf8_can_be_printed_and_read(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "a", counts(ecg(seconds=1)))
    (tmp_path / "a.hea").rename(os.fsdecode(bytes(tmp_path) + b"/\xfc.hea"))
    (entry,) = READER.entries(tmp_path)
    assert entry.record == "\\xfc"
    assert READER.read(tmp_path, entry).signal_mv.shape == (12, 500)


def test_headers_in_capitals(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "A", counts(ecg(seconds=1)))
    (tmp_path / "A.hea").rename(tmp_path / "A.HEA")
    write_wfdb(tmp_path / "b", counts(ecg(1, seconds=1)))
    entries = list(READER.entries(tmp_path))
    assert [entry.record for entry in entries] == ["A", "b"]
    assert "A.HEA" in entries[0].files
    assert READER.read(tmp_path, entries[0]).signal_mv.shape == (12, 500)


def test_segments_with_headers_in_capitals(tmp_path: Path) -> None:
    signal = counts(ecg())
    for number in (1, 2):
        write_wfdb(tmp_path / f"A_{number}", signal[:, 2500 * (number - 1) :][:, :2500])
        (tmp_path / f"A_{number}.hea").rename(tmp_path / f"A_{number}.HEA")
    (tmp_path / "A.HEA").write_text("A/2 12 500 5000\nA_1 2500\nA_2 2500\n")
    (entry,) = READER.entries(tmp_path)
    np.testing.assert_allclose(READER.read(tmp_path, entry).signal_mv, signal / 1000, atol=1e-6)


def test_a_record(tmp_path: Path) -> None:
    comments = [" Age: 61", " Sex: Female", " Dx: 164889003", " Patient ID: p7"]
    write_wfdb(tmp_path / "x" / "a", counts(ecg()), comments=comments)
    (entry,) = pickle.loads(pickle.dumps(list(READER.entries(tmp_path))))
    raw = READER.read(tmp_path, entry)
    assert (raw.record, raw.patient, raw.age, raw.sex, raw.fs) == ("x/a", "p7", 61, "F", 500)
    assert raw.labels["AF"] is True
    np.testing.assert_allclose(raw.signal_mv, ecg(), atol=6e-4)


@pytest.mark.parametrize(
    ("path", "patient"),
    [
        ("patient104/s0306lre", "104"),
        ("files/p1000/p10001725/s41420867/41420867", "10001725"),
        ("p10/p10001725/x", "10001725"),
        ("subject_12/a", "12"),
        ("p1000/a", None),
        ("records/patient104", None),
        ("pages/a", None),
        ("patients/a", None),
    ],
)
def test_patient_by_folder(path: str, patient: str | None) -> None:
    assert patient_of_folder(path) == patient


def test_the_comment_wins_over_the_folder(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "patient104" / "a", counts(ecg(seconds=1)), comments=["Patient ID: 9"])
    write_wfdb(tmp_path / "patient104" / "b", counts(ecg(seconds=1)))
    assert [READER.read(tmp_path, entry).patient for entry in READER.entries(tmp_path)] == ["9", "104"]


def test_no_archive(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ptbxl_database.csv").write_text("ecg_id\n")
    (tmp_path / "file.zip").write_text("")
    for name, words in (("none", "no archive"), ("empty", "empty"), ("other", "ptbxl"), ("file.zip", "check the path")):
        with pytest.raises(InputError, match=words):
            list(READER.entries(tmp_path / name))


def test_real_cohorts(real_data: Path) -> None:
    for cohort, records in (("cpsc2018", 105), ("ningbo", 66)):
        raws = [READER.read(real_data / cohort, entry, 2) for entry in READER.entries(real_data / cohort)]
        assert len(raws) == records
        assert all(raw.age is not None and raw.sex and raw.labels and raw.fs == 500 for raw in raws)
