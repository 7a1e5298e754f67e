from __future__ import annotations

import pytest

from cape_fed.archive.fields import Cells, parse_age, parse_patient, parse_sex, parse_truth


@pytest.mark.parametrize(
    ("text", "age", "impossible"),
    [
        ("63", 63, False),
        (" 63.0 ", 63, False),
        (">89", 89, False),
        ("63 years", 63, False),
        ("063Y", 63, False),
        ("0", 0, False),
        ("63,5", 63.5, False),
        ("63 y.o.", 63, False),
        ("90+", 90, False),
        ("006M", 0.5, False),
        ("8 months", 8 / 12, False),
        ("52 weeks", 364 / 365.25, False),
        ("021D", 21 / 365.25, False),
        ("100d", 100 / 365.25, False),
        ("30 anos", 30, False),
        ("<1", 0.5, False),
        ("<18", 18, False),
        ("63 hours", None, True),
        ("63 (about)", None, True),
        ("NaN", None, False),
        ("", None, False),
        (None, None, False),
        ("Unknown", None, False),
        ("-1", None, False),
        ("-5", None, True),
        ("300", None, True),
        ("1957-03-02", None, True),
        ("old", None, True),
        ("9" * 5000, None, True),
    ],
)
def test_age(text: str | None, age: float | None, impossible: bool) -> None:
    found, refused = parse_age(text)
    assert refused is impossible
    assert found == (age if age is None else pytest.approx(age))


@pytest.mark.parametrize(
    ("text", "sex"),
    [("F", "F"), ("female", "F"), (" Female ", "F"), ("M", "M"), ("MALE", "M"), ("Unknown", None), (None, None)],
)
def test_sex(text: str | None, sex: str | None) -> None:
    assert parse_sex(text) == sex


@pytest.mark.parametrize(
    "text",
    ["#N/A", "#NV", "#REF!", "#NAME?", "\\N", ".", "--", "*", "n.a.", "Anonymous", "UNK", "not available", "no id"],
)
def test_what_stands_for_no_patient(text: str) -> None:
    assert parse_patient(text) is None
    assert Cells({"id": text}).patient("id") is None


@pytest.mark.parametrize(
    ("text", "patient"),
    [("ANON001", "ANON001"), ("0", "0"), ("9999", "9999"), ("#12", "#12"), ("*7", "*7")],
)
def test_numbers_tell_patients_apart(text: str, patient: str) -> None:
    assert parse_patient(text) == patient


@pytest.mark.parametrize(
    ("text", "patient"),
    [("15709.0", "15709"), ("P-12", "P-12"), ("007", "007"), ("1.5", "1.5"), ("nan", None), ("", None), (None, None)],
)
def test_patient(text: str | None, patient: str | None) -> None:
    assert parse_patient(text) == patient


def test_cells_keep_what_was_not_understood() -> None:
    cells = Cells(
        {"age": "alt", "sex": "2", "af": "x" * 60, "fold": "0", "time": "gestern", "id": "1e+09", "empty": ""}
    )
    assert (cells.age("age"), cells.sex("sex"), cells.truth("af"), cells.fold("fold")) == (None,) * 4
    assert (cells.year("time"), cells.patient("id"), cells.sex("empty"), cells.age("none")) == (None,) * 4
    assert cells.notes == ("AGE_IMPLAUSIBLE", "BAD_SEX", "BAD_LABELS", "BAD_FOLD", "BAD_DATE", "ID_ROUNDED")
    assert [found.shown for found in cells.misread[:2]] == ["age 'alt'", "sex '2'"]
    assert cells.misread[2].shown == f"af '{'x' * 40}…'"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("True", True), ("0.0", False), ("FALSE", False), ("", None), ("maybe", None), (None, None)],
)
def test_truth(text: str | None, value: bool | None) -> None:
    assert parse_truth(text) is value
