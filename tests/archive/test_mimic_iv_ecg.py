from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

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


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        list(READER.entries(tmp_path))
    (tmp_path / "record_list.csv").write_text("subject_id\n1\n")
    with pytest.raises(InputError, match="no column path"):
        list(READER.entries(tmp_path))
