from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cape_fed.archive.base import RawRecord, RecordError
from cape_fed.archive.doctor import Report, diagnose
from cape_fed.archive.doctor_text import render
from cape_fed.archive.findings import CATALOGUE
from cape_fed.archive.registry import get_reader
from cape_fed.archive.survey import EXAMPLES, MAX_STATEMENTS, Survey
from cape_fed.signal.leads import LEADS
from cape_fed.signal.quality import Quality
from tests.archive.fake import FakeReader
from tests.archive.files import counts, ecg, write_wfdb
from tests.signal.test_electrodes import exchange_arms

WFDB = get_reader("wfdb", verify=True)
PERSON = ("Age: 61", "Sex: Female", "Dx: 426783006", "Patient ID: 1")


def found(report: Report) -> dict[str, list[str]]:
    return {finding.code: finding.examples for finding in report.findings}


def test_a_clean_archive_has_no_findings(tmp_path: Path) -> None:
    for seed in range(3):
        write_wfdb(tmp_path / str(seed), counts(ecg(seed)), comments=PERSON)
    report = diagnose(tmp_path, WFDB)
    assert report.findings == []
    assert (report.records, report.unreadable, report.patients, report.complete) == (3, 0, 1, True)
    assert (report.rates, report.lengths, report.sex) == ({"500": 3}, {"10": 3}, {"F": 3})
    assert report.age == {"known": 3, "median": 61, "min": 61, "max": 61}
    assert report.labels["SINUS"].positive == 3
    assert "AF" in report.unused_labels


def changed(change: Callable[[np.ndarray], None]) -> np.ndarray:
    signal = ecg(50)
    change(signal)
    return signal


def put(index: object, value: float) -> Callable[[np.ndarray], None]:
    return lambda signal: signal.__setitem__(index, value)


SIGNALS = {
    "FLAT_LEAD": changed(put(7, 0.2)),
    "NO_SIGNAL": np.zeros((12, 5000)),
    "SHORT": ecg(51, seconds=1.5),
    "LIMB_IDENTITY": changed(lambda signal: signal.__imul__(np.where(np.arange(12) == 3, -1, 1)[:, None])),
    "SATURATED": changed(put((8, slice(100, 900)), 4.0)),
    "GAIN": ecg(52) * 20,
    "CLIPPED": changed(lambda signal: (put(8, signal[8] - 1)(signal), put((8, 100), 32.7)(signal))),
    "ARMS_EXCHANGED": exchange_arms(ecg(53)),
    "ZERO_PADDED": changed(put((slice(None), slice(0, 200)), 0.0)),
    "LONG": np.tile(ecg(54), 7),
}


@pytest.mark.parametrize("code", SIGNALS)
def test_findings_in_the_signal(tmp_path: Path, code: str) -> None:
    write_wfdb(tmp_path / "odd", counts(SIGNALS[code].astype(np.float32)), comments=PERSON)
    for seed in range(8):
        write_wfdb(tmp_path / f"r{seed}", counts(ecg(seed)), comments=PERSON)
    findings = found(diagnose(tmp_path, WFDB))
    findings.pop("MIXED_LENGTHS", None)
    assert findings == {code: ["odd"]}


def write_calibrated(root: Path, calibration: str) -> None:
    write_wfdb(root / "odd", counts(ecg(60)), comments=PERSON, calibration=calibration)


def write_with(root: Path, **arguments: object) -> None:
    write_wfdb(root / "odd", counts(ecg(60)), **({"comments": PERSON} | arguments))


def write_bytes(root: Path, suffix: str, change: Callable[[bytes], bytes]) -> None:
    write_with(root)
    path = root / f"odd.{suffix}"
    path.write_bytes(change(path.read_bytes()))


def without(*names: str) -> tuple[str, ...]:
    return tuple(comment for comment in PERSON if not comment.startswith(names))


def write_with_gap(root: Path) -> None:
    gap = np.full((12, 6500), -32768, np.int16)
    gap[:, 40] = 0
    gap[0, 40] = 3
    write_wfdb(root / "odd", np.concatenate((gap, counts(ecg(60))), axis=1), comments=PERSON)


FILES: dict[str, Callable[[Path], object]] = {
    "BAD_HEADER": lambda root: (root / "odd.hea").write_text("odd twelve 500"),
    "BAD_RATE": lambda root: write_with(root, fs=5),
    "BAD_GAIN": lambda root: write_calibrated(root, "1e-12/mV"),
    "NO_LEADS": lambda root: write_with(root, names=[f"ch{index}" for index in range(12)]),
    "MISSING_FILE": lambda root: (write_with(root), (root / "odd.dat").unlink()),
    "UNREADABLE": lambda root: write_with(root, spec="999"),
    "TRUNCATED": lambda root: write_bytes(root, "dat", lambda data: data[:-500]),
    "TOO_LONG": lambda root: write_with(root, samples=10**12, fs=20000),
    "MISSING_LEAD": lambda root: write_with(root, names=[*LEADS[:11], "V9"]),
    "REPEATED_LEAD": lambda root: write_with(root, names=[*LEADS[:11], "V5"]),
    "LENGTH_MISMATCH": lambda root: write_bytes(root, "dat", lambda data: data + b"\0" * 240),
    "CHECKSUM": lambda root: write_bytes(root, "dat", lambda data: b"\7" + data[1:]),
    "GAIN_MISSING": lambda root: write_with(root, calibration="0/mV"),
    "GAIN_NEGATIVE": lambda root: write_calibrated(root, "-1000/mV"),
    "UNIT_SPELLING": lambda root: write_calibrated(root, "1000/mv"),
    "UNIT_UNKNOWN": lambda root: write_calibrated(root, "1000/NU"),
    "LEAD_SPELLING": lambda root: write_with(root, names=[name.upper() for name in LEADS]),
    "NON_UTF8": lambda root: write_bytes(root, "hea", lambda data: data + b"# Dr. M\xfcller\n"),
    "STRAY_LINES": lambda root: write_bytes(root, "hea", lambda data: data + b"go on\n"),
    "NO_PATIENT": lambda root: write_with(root, comments=without("Patient")),
    "NO_AGE": lambda root: write_with(root, comments=without("Age")),
    "AGE_IMPLAUSIBLE": lambda root: write_with(root, comments=(*without("Age"), "Age: 460")),
    "NO_SEX": lambda root: write_with(root, comments=without("Sex")),
    "BAD_SEX": lambda root: write_with(root, comments=(*without("Sex"), "Sex: weiblich")),
    "BAD_LABELS": lambda root: write_with(root, comments=(*PERSON, "Chagas label: perhaps")),
    "LATE_START": lambda root: write_with_gap(root),
    "NO_LABELS": lambda root: write_with(root, comments=without("Dx")),
    "UNMAPPED_STATEMENT": lambda root: write_with(root, comments=(*without("Dx"), "Dx: 426783006,39732003")),
    "MIXED_RATES": lambda root: write_wfdb(root / "odd", counts(ecg(60, 257)), fs=257, comments=PERSON),
    "MIXED_LENGTHS": lambda root: write_wfdb(root / "odd", counts(ecg(60, seconds=5)), comments=PERSON),
    "DUPLICATE": lambda root: write_wfdb(root / "same", counts(ecg(0)), comments=PERSON),
    "DUPLICATE_ACROSS": lambda root: write_wfdb(root / "same", counts(ecg(0)), comments=(*PERSON[:3], "Patient ID: 2")),
}
PEOPLE: dict[str, tuple[str, ...]] = {
    "sex": (*without("Sex"), "Sex: Male"),
    "age": (*without("Age"), "Age: 3"),
}
MAY_COME_WITH = {"EXTRA_SIGNAL", "MISSING_LEAD", "MIXED_LENGTHS"}


@pytest.mark.parametrize("code", FILES)
def test_findings_in_the_files(tmp_path: Path, code: str) -> None:
    for seed in range(3):
        write_wfdb(tmp_path / f"r{seed}", counts(ecg(seed)), comments=PERSON)
    FILES[code](tmp_path)
    report = diagnose(tmp_path, WFDB)
    assert code in found(report)
    assert set(found(report)) - (MAY_COME_WITH - {code}) == {code}
    assert (report.records, report.complete) == (4, True)
    assert report.unreadable == (CATALOGUE[code].severity == "error")


@pytest.mark.parametrize("of", PEOPLE)
def test_an_id_of_several_people(tmp_path: Path, of: str) -> None:
    for seed, comments in enumerate((PERSON, PEOPLE[of], PERSON)):
        write_wfdb(tmp_path / f"r{seed}", counts(ecg(seed)), comments=comments)
    assert found(diagnose(tmp_path, WFDB)) == {"SEVERAL_PEOPLE": ["r1"]}


def test_samples_that_are_missing(tmp_path: Path) -> None:
    for name, missing in (("some", slice(0, 30)), ("most", slice(None))):
        signal = counts(ecg(1))
        signal[:, missing] = -32768
        signal[:, ::3] = counts(ecg(1))[:, ::3]
        write_wfdb(tmp_path / name, signal, comments=PERSON)
    assert found(diagnose(tmp_path, WFDB)) == {"MOSTLY_NON_FINITE": ["most"], "NON_FINITE": ["some"]}


@pytest.mark.parametrize("gain", [200, 5000])
def test_a_whole_cohort_of_wrong_gain(tmp_path: Path, gain: int) -> None:
    for seed in range(3):
        write_wfdb(tmp_path / str(seed), counts(1.5 * ecg(seed)), comments=PERSON, calibration=f"{gain}/mV")
    assert "GAIN_COHORT" in found(diagnose(tmp_path, WFDB))


def test_the_catalogue_is_complete_and_never_asks_to_delete() -> None:
    assert {str(flag.name) for flag in Quality} <= set(CATALOGUE)
    for kind in CATALOGUE.values():
        assert not re.search(r"delet|remov|eras|discard|throw", kind.remedy, re.IGNORECASE)
        assert kind.meaning
    assert len(CATALOGUE) >= 12


def test_examples_and_statements_are_capped() -> None:
    survey = Survey()
    raw = RawRecord("r", "1", 50, "F", {}, ecg(), 500)
    for number in range(20):
        survey.add(replace(raw, record=f"r{number}", unmapped=tuple(f"s{number}-{i}" for i in range(MAX_STATEMENTS))))
    assert len(survey.statements) == MAX_STATEMENTS
    assert {len(finding.examples) for finding in survey.close()} == {EXAMPLES}


def test_the_first_records_only(tmp_path: Path) -> None:
    for seed in range(4):
        write_wfdb(tmp_path / str(seed), counts(ecg(seed)), comments=PERSON)
    seen: list[int] = []
    report = diagnose(tmp_path, WFDB, limit=2, progress=seen.append)
    assert (report.records, report.complete, seen) == (2, False, [1, 2])
    assert diagnose(tmp_path, WFDB, limit=4).complete
    assert diagnose(tmp_path, WFDB, limit=9).complete


def test_values_that_are_not_understood_are_shown_by_how_often_they_stand_there(tmp_path: Path) -> None:
    rows = ["path,patient_id,sex,age,AF"]
    for seed, sex in enumerate(("weiblich", "2", "2", "F")):
        write_wfdb(tmp_path / str(seed), counts(ecg(seed)))
        rows.append(f"{seed},{seed},{sex},50,ja")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    report = diagnose(tmp_path, get_reader("manifest"))
    assert found(report)["BAD_SEX"] == ["sex '2' (2 records, e.g. 1)", "sex 'weiblich' (1 records, e.g. 0)"]
    assert found(report)["BAD_LABELS"] == ["af 'ja' (4 records, e.g. 0)"]
    assert "NO_SEX" not in found(report)
    counted = {finding.code: finding.count for finding in report.findings}
    assert (counted["BAD_SEX"], counted["BAD_LABELS"]) == (3, 4)


def test_where_a_table_names_nobody_no_ids_are_asked_for(tmp_path: Path) -> None:
    for seed in range(3):
        write_wfdb(tmp_path / str(seed), counts(ecg(seed)))
    (tmp_path / "exams.csv").write_text("exam_id,patient_id\nx0,1\nx1,2\n")
    report = diagnose(tmp_path, get_reader("code15"))
    remedies = {finding.code: finding.remedy for finding in report.findings}
    assert "supply" not in remedies["NO_PATIENT"] + remedies["NO_AGE"]
    assert "0, 1, 2" in found(report)["TABLE_MISMATCH"][0]
    assert "x0, x1" in found(report)["TABLE_MISMATCH"][1]


def test_a_fault_of_our_own_is_a_finding_that_says_where(tmp_path: Path) -> None:
    report = diagnose(tmp_path, FakeReader(4, (("r0002", "crash"),)))
    assert any(example.startswith("r0002: ZeroDivisionError in fake.py, line ") for example in found(report)["FAULT"])
    assert (report.records, report.complete) == (4, True)


def test_names_that_are_listed_again(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "a", counts(ecg()))
    (tmp_path / "manifest.csv").write_text("path,patient_id\na,1\na,1\n")
    report = diagnose(tmp_path, get_reader("manifest"))
    assert (report.records, found(report)["REPEATED_RECORD"]) == (1, ["a"])


def test_an_archive_in_a_folder_that_is_no_utf8(tmp_path: Path) -> None:
    root = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9"))
    write_wfdb(root / "a", counts(ecg()), comments=PERSON)
    report = diagnose(root, WFDB)
    assert report.archive.endswith("caf\\xe9")
    render(report).encode("utf-8")


def test_nothing_is_changed(tmp_path: Path) -> None:
    FILES["TRUNCATED"](tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*")}
    diagnose(tmp_path, WFDB)
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*")}


def test_as_text_and_as_json(tmp_path: Path) -> None:
    FILES["TRUNCATED"](tmp_path)
    write_wfdb(tmp_path / "r", counts(ecg()), comments=(*PERSON[:2], "Dx: 426177001,39732003"))
    report = diagnose(tmp_path, WFDB)
    text = render(report)
    assert f"{tmp_path}: 2 records, 1 of them unreadable" in text
    assert re.search(r"error +TRUNCATED: 1 .*\n +e\.g\. odd\n +copy it again", text)
    assert re.search(r"SBRAD +1 +0 +0\n", text)
    assert "outside the vocabulary: 39732003: 1" in text
    values = json.loads(json.dumps(report.as_dict()))
    assert values["findings"][0]["code"] == "TRUNCATED"
    assert values["labels"]["SBRAD"] == {"positive": 1, "negative": 0}


def test_every_error_of_a_reader_has_an_entry() -> None:
    package = Path(__file__).resolve().parents[2] / "cape_fed" / "archive"
    source = "\n".join(path.read_text() for path in package.glob("*.py"))
    codes = set(re.findall(r'RecordError\(\s*"([A-Z_]+)"', source)) | set(
        re.findall(r'notes\.add\("([A-Z_]+)"', source)
    )
    assert codes <= set(CATALOGUE)
    assert issubclass(RecordError, Exception)


def test_real_cohorts(real_data: Path) -> None:
    """What was looked at by eye; see also the tests of quality."""
    code15 = found(diagnose(real_data / "code15", get_reader("code15", verify=True)))
    assert code15["GAIN"] == ["1111554"]
    assert code15["LIMB_IDENTITY"] == ["919803"]
    assert set(code15["SATURATED"]) == {"1000354", "1000694", "111119", "1111225", "919917"}
    assert "1111985" in code15["ARMS_EXCHANGED"]
    cpsc = found(diagnose(real_data / "cpsc2018", WFDB))
    assert cpsc["SATURATED"] == ["A0047", "A0083"]
    ningbo = diagnose(real_data / "ningbo", WFDB)
    assert {finding.code: finding.count for finding in ningbo.findings} == {
        "NO_PATIENT": 66,
        "FLAT_LEAD": 6,
        "UNMAPPED_STATEMENT": 37,
    }
    ptbxl = diagnose(real_data / "ptbxl", get_reader("ptbxl", verify=True), limit=500)
    assert set(found(ptbxl)) == {"LEAD_SPELLING", "UNMAPPED_STATEMENT"}
