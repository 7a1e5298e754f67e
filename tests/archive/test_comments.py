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


def test_a_rhythm_does_not_overrule_codes() -> None:
    found = describe(["Age: 63", "Dx: 164889003", "Rhythm: SR"])
    assert found.labels["AF"] is True
    assert found.labels == describe(["Dx: 164889003"]).labels | {"SINUS": False}


@pytest.mark.parametrize(
    ("rhythm", "labels"),
    [
        ("AFIB", {"AF": True, "AFL": False, "SINUS": False, "SARRH": False, "SBRAD": False, "STACH": False}),
        ("SB", {"AF": False, "AFL": False, "SINUS": True, "SARRH": False, "SBRAD": True, "STACH": False}),
        ("AF", {"SINUS": False, "SARRH": False, "SBRAD": False, "STACH": False}),
        ("Sinus Bradycardia, ventricular rate 50", {}),
        ("", {}),
    ],
)
def test_rhythm_abbreviations(rhythm: str, labels: dict[str, bool]) -> None:
    assert describe([f"Rhythm: {rhythm}"]).labels == labels


def test_ludb() -> None:
    lines = ["<age>: 51", "<sex>: F", "<diagnoses>:", "Rhythm: Sinus bradycardia.", "Left ventricular hypertrophy."]
    found = describe(lines)
    assert (found.age, found.sex) == (51, "F")
    assert {label for label, value in found.labels.items() if value} == {"SBRAD", "SINUS", "LVH"}


@pytest.mark.parametrize("dx", ["Dx:", "Dx: Unknown", "Dx: nan", "Dx: something else", "Dx: 3,7", "Dx: 999"])
def test_no_diagnosis_is_not_annotated(dx: str) -> None:
    assert describe([dx]).labels == {}


def test_prose_that_is_not_understood_is_not_annotated() -> None:
    assert describe(["<diagnoses>:", "Rhythm: ?", "see the letter"]).labels == {}
    assert describe(["Rhythm: Sinus bradycardia.", "Left ventricular hypertrophy."]).labels == {}


def test_codes_outside_the_vocabulary_deny_what_is_in_it() -> None:
    found = describe(["Dx: 39732003"])
    assert found.labels["AF"] is False
    assert found.unmapped == ("39732003",)
    assert describe(["Dx: 3,7"]).unmapped == ("3", "7")


@pytest.mark.parametrize("line", ["Patient: 45 years, male", "subject: adult male", "Patient: John"])
def test_free_text_is_no_patient(line: str) -> None:
    found = describe([line])
    assert (found.patient, found.notes) == (None, ("BAD_PATIENT",))
    found = describe([line, "Patient ID: 7"])
    assert (found.patient, found.notes) == ("7", ())


@pytest.mark.parametrize("line", ["Patient: P-12.a", "Subject: 12", "subject: 12.0", "patient 12"])
def test_plain_patient_ids(line: str) -> None:
    assert describe([line]).patient in ("P-12.a", "12")


def test_an_age_below_a_bound_is_no_tag() -> None:
    assert describe(["Age: <1", "Sex: F"]).age == 0.5
    found = describe(["<age>: <1 <sex>: F"])
    assert (found.age, found.sex) == (0.5, "F")


def test_an_empty_or_odd_header_says_nothing() -> None:
    for comments in ([], [""], [":"], ["<"], ["<>:"], ["Age"], ["Sex:"], ["Patient ID: NaN"]):
        found = describe(comments)
        assert (found.patient, found.age, found.sex, found.labels) == (None, None, None, {})


def test_a_line_for_each_diagnosis() -> None:
    labels = describe(["Dx: 426783006", "Age: 40", "Dx: Unknown", "Dx: 164889003,59118001"]).labels
    assert labels == describe(["Dx: 426783006,164889003,59118001"]).labels
    assert [label for label, value in labels.items() if value] == ["AF", "SINUS", "RBBB"]


def test_a_code_with_decimals_is_that_code() -> None:
    assert describe(["Dx: 164889003, 59118001.0"]).labels == describe(["Dx: 164889003,59118001"]).labels


def test_an_impossible_age_is_a_finding() -> None:
    assert describe(["Age: 400"]).notes == ("AGE_IMPLAUSIBLE",)


def test_the_first_of_two_lines_counts() -> None:
    assert describe(["Age: 40", "Age: 50"]).age == 40
