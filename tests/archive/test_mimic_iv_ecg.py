from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.base import Entry, Notice, RawRecord
from cape_fed.archive.mimic_iv_ecg import MimicIvEcg
from cape_fed.errors import InputError
from tests.archive.files import counts, ecg, write_wfdb

READER = MimicIvEcg()
MIMIC_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    lines = ["subject_id,study_id,file_name,ecg_time,path"]
    for subject, study, year in ((10000032, 40689238, 2180), (10000980, 46642833, 2187)):
        path = f"files/p{str(subject)[:4]}/p{subject}/s{study}/{study}"
        lines.append(f"{subject},{study},{study},{year}-07-23 08:44:00,{path}")
        signal = counts(ecg(study % 7), 200)[[0, 1, 2, 3, 5, 4, *range(6, 12)]]
        signal[4, :3] = -32768
        write_wfdb(tmp_path / path, signal, names=MIMIC_ORDER, calibration="200.0(0)/mV")
    (tmp_path / "record_list.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_signals_and_patients(archive: Path) -> None:
    raws = [READER.read(archive, entry) for entry in READER.entries(archive)]
    assert [raw.patient for raw in raws] == ["10000032", "10000980"]
    assert all((raw.age, raw.sex, raw.labels) == (None, None, {}) for raw in raws)
    np.testing.assert_allclose(raws[0].signal_mv[:, 3:], ecg(40689238 % 7)[:, 3:], atol=3e-3)
    assert np.isnan(raws[0].signal_mv[5, :3]).all()


def test_reports_in_another_order(archive: Path) -> None:
    (archive / "machine_measurements.csv").write_text(
        "study_id,subject_id,report_0,report_1,report_2,report_10,bandwidth\n"
        "46642833,10000980,Atrial fibrillation,Possible inferior infarct,,Abnormal ECG,normal ecg\n"
        "40689238,10000032,Sinus rhythm,,Normal ECG,,\n"
        "1,2,Sinus rhythm,,,,\n"
    )
    first, second = (READER.read(archive, entry).labels for entry in READER.entries(archive))
    assert [name for name, value in first.items() if value] == ["SINUS", "NORM"]
    assert [name for name, value in second.items() if value] == ["AF"]
    assert "MI" not in second
    assert second["NORM"] is False


def test_age_and_sex_from_the_patient_table(archive: Path) -> None:
    table = "subject_id,gender,anchor_age,anchor_year\n10000032,F,52,2180\n10000980,M,73,2186\n"
    (archive / "patients.csv.gz").write_bytes(gzip.compress(table.encode()))
    raws = [READER.read(archive, entry) for entry in READER.entries(archive)]
    assert [(raw.age, raw.sex) for raw in raws] == [(52, "F"), (74, "M")]


def read_with(archive: Path, patients: str) -> list[RawRecord]:
    (archive / "patients.csv").write_text(f"subject_id,gender,anchor_age,anchor_year\n{patients}\n")
    return [READER.read(archive, entry) for entry in READER.entries(archive) if isinstance(entry, Entry)]


@pytest.mark.parametrize("anchor", ["2180", "2190", "2150", "2179.0"])
def test_an_age_that_stands_for_over_89_is_90_at_any_date(archive: Path, anchor: str) -> None:
    raws = read_with(archive, f"10000032.0,F,91,{anchor}\n10000980,M,89,{2187}")
    assert [raw.age for raw in raws] == [90, 89]


def test_an_age_that_grew_over_89_is_known(archive: Path) -> None:
    assert read_with(archive, "10000032,F,85,2170\n10000980,M,60,2187")[0].age == 95


@pytest.mark.parametrize(
    ("row", "note", "shown"),
    [
        ("10000032,weiblich,50,2180", "BAD_SEX", "gender 'weiblich'"),
        ("10000032,F,old,2180", "AGE_IMPLAUSIBLE", "anchor_age 'old'"),
        ("10000032,F,50,80", "BAD_DATE", "anchor_year '80'"),
        ("10000032,F,5,2190", "AGE_IMPLAUSIBLE", "ecg_time '2180-07-23 08:44:00'"),
    ],
)
def test_cells_that_are_not_understood_are_shown(archive: Path, row: str, note: str, shown: str) -> None:
    raw = read_with(archive, f"{row}\n10000980,M,60,2187")[0]
    assert (raw.notes, raw.misread[0].shown) == ((note,), shown)
    assert note == "BAD_SEX" or raw.age is None


def test_a_table_cut_off_loses_its_last_row_only(archive: Path) -> None:
    (archive / "machine_measurements.csv").write_text(
        "subject_id,study_id,report_0\n10000032,40689238,Atrial fibrillation\n10000980"
    )
    found = list(READER.entries(archive))
    notices = {notice.code: notice.examples for notice in found if isinstance(notice, Notice)}
    assert notices["ROW_WIDTH"] == ("machine_measurements.csv, line 3: 1 cells where the heading has 3",)
    first, second = (READER.read(archive, entry) for entry in found if isinstance(entry, Entry))
    assert first.labels["AF"] is True
    assert (second.labels, second.notes) == ({}, ("NOT_IN_TABLE",))


def test_identifiers_of_another_type_are_joined(archive: Path) -> None:
    (archive / "machine_measurements.csv").write_text(
        "subject_id,study_id,report_0\n10000032.0,40689238.0,Sinus rhythm\n10000980,b'46642833',Atrial flutter\n"
    )
    raws = read_with(archive, "b'10000032',F,50,2180\n 10000980 ,M,60,2187")
    assert [(raw.age, raw.sex) for raw in raws] == [(50, "F"), (60, "M")]
    assert [raw.labels["AFL"] for raw in raws] == [False, True]


def test_tables_that_name_nobody_are_a_finding(archive: Path) -> None:
    (archive / "machine_measurements.csv").write_text("study_id,report_0\ns40689238,Sinus rhythm\n")
    (archive / "patients.csv").write_text("subject_id,gender\np10000032,F\n")
    notices = [found for found in READER.entries(archive) if isinstance(found, Notice)]
    assert [notice.code for notice in notices] == ["TABLE_MISMATCH"] * 2
    assert "40689238" in notices[0].examples[0]
    assert "s40689238" in notices[0].examples[1]


def test_a_repeated_study_with_other_values_is_refused(archive: Path) -> None:
    table = archive / "machine_measurements.csv"
    table.write_text("study_id,report_0\n40689238,Sinus rhythm\n40689238.0,Atrial flutter\n")
    with pytest.raises(InputError, match="study_id 40689238 twice with different values"):
        list(READER.entries(archive))
    table.unlink()
    text = (archive / "record_list.csv").read_text()
    (archive / "record_list.csv").write_text(text + text.splitlines()[1].replace("10000032", "10000033") + "\n")
    with pytest.raises(InputError, match="twice with different values"):
        list(READER.entries(archive))


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        list(READER.entries(tmp_path))
    (tmp_path / "record_list.csv").write_text("subject_id\n1\n")
    with pytest.raises(InputError, match="no column path"):
        list(READER.entries(tmp_path))
