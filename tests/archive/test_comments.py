from __future__ import annotations

import pytest

from cape_fed.archive.comments import describe


def test_challenge_2021() -> None:
    found = describe(["Age: 47", "Sex: Male", "Dx: 164889003,59118001,39732003", "Rx: Unknown"])
    assert (found.age, found.sex, found.patient) == (47, "M", None)
    assert {label for label, value in found.labels.items() if value} == {"AF", "RBBB"}
    assert found.unmapped == ("39732003",)


def test_challenge_2025() -> None:
    found = describe(["Exam ID: 91906", "Patient ID: 507884", "Age: 63", "Sex: Female", "Chagas label: False"])
    assert (found.age, found.sex, found.patient) == (63, "F", "507884")
    assert found.labels == {"CHAGAS": False}


def test_cpsc_2018_abbreviations() -> None:
    found = describe(["Age: 74", "Sex: Male", "Dx: AF,RBBB", "Sx: Unknows"])
    assert {label for label, value in found.labels.items() if value} == {"AF", "RBBB"}
    assert "MI" not in found.labels


def test_incart() -> None:
    found = describe(
        ["<age>: 65 <sex>: F <diagnoses> Coronary artery disease, hypertension", "patient 1", "PVCs, noise"]
    )
    assert (found.age, found.sex, found.patient, found.labels) == (65, "F", "1", {})


def test_ptb() -> None:
    comments = [
        "age: 81",
        "sex: female",
        "ECG date: 01/10/1990",
        "Diagnose:",
        "Reason for admission: Myocardial infarction",
    ]
    found = describe(comments)
    assert (found.age, found.sex, found.labels) == (81, "F", {"MI": True, "NORM": False})
    assert describe(["Reason for admission: Healthy control"]).labels == {"MI": False, "NORM": True}
    assert describe(["Reason for admission: Valvular heart disease"]).labels == {}


def test_ludb() -> None:
    lines = ["<age>: 51", "<sex>: F", "<diagnoses>:", "Rhythm: Sinus bradycardia.", "Left ventricular hypertrophy."]
    found = describe(lines)
    assert (found.age, found.sex) == (51, "F")
    assert {label for label, value in found.labels.items() if value} == {"SBRAD", "SINUS", "LVH"}


@pytest.mark.parametrize("dx", ["Dx:", "Dx: Unknown", "Dx: nan", "Dx: something else"])
def test_no_diagnosis_is_not_annotated(dx: str) -> None:
    assert describe([dx]).labels == {}


def test_an_empty_or_odd_header_says_nothing() -> None:
    for comments in ([], [""], [":"], ["<"], ["<>:"], ["Age"], ["Sex:"], ["Patient ID: NaN"]):
        found = describe(comments)
        assert (found.patient, found.age, found.sex, found.labels) == (None, None, None, {})


def test_an_impossible_age_is_a_finding() -> None:
    assert describe(["Age: 400"]).notes == ("AGE_IMPLAUSIBLE",)


def test_the_first_of_two_lines_counts() -> None:
    assert describe(["Age: 40", "Age: 50"]).age == 40
