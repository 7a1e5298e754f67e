from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.archive.base import RawRecord, RecordError
from cape_fed.archive.ptbxl import PtbXl
from cape_fed.errors import InputError
from tests.archive.files import counts, ecg, write_wfdb

READER = PtbXl()
HEADINGS = "ecg_id,patient_id,age,sex,height,scp_codes,strat_fold,filename_lr,filename_hr"


def archive(root: Path, *rows: str, headings: str = HEADINGS) -> Path:
    (root / "ptbxl_database.csv").write_text("\n".join([headings, *rows]) + "\n")
    return root


def row(
    number: int = 1,
    codes: str = "{'NORM': 100.0, 'SR': 0.0}",
    age: str = "56.0",
    sex: str = "1",
    fold: str = "3",
) -> str:
    name = f"00000/{number:05d}"
    return f'{number},15709.0,{age},{sex},,"{codes}",{fold},records100/{name}_lr,records500/{name}_hr'


def test_a_record_in_500_hz_where_that_is_there_else_in_100(tmp_path: Path) -> None:
    archive(tmp_path, row(2), row(1))
    for number in (1, 2):
        write_wfdb(tmp_path / f"records100/00000/{number:05d}_lr", counts(ecg(number, 100)), fs=100)
    write_wfdb(tmp_path / "records500/00000/00001_hr", counts(ecg(1, 500)))
    raws = [READER.read(tmp_path, entry) for entry in READER.entries(tmp_path)]
    assert [(raw.record, raw.fs) for raw in raws] == [
        ("records100/00000/00002_lr", 100),
        ("records500/00000/00001_hr", 500),
    ]
    assert {(raw.patient, raw.age, raw.sex) for raw in raws} == {("15709", 56, "F")}
    assert {label for label, value in raws[0].labels.items() if value} == {"NORM", "SINUS"}
    assert raws[0].labels["AF"] is False


def read_row(root: Path, text: str) -> RawRecord:
    write_wfdb(root / "records100/00000/00001_lr", counts(ecg(1, 100)), fs=100)
    (entry,) = READER.entries(archive(root, text))
    return READER.read(root, entry)


@pytest.mark.parametrize(("age", "expected"), [("300.0", 90), ("300", 90), ("89", 89), ("", None), ("nan", None)])
def test_ages_above_89_are_coded(tmp_path: Path, age: str, expected: float | None) -> None:
    assert read_row(tmp_path, row(age=age)).age == expected


@pytest.mark.parametrize(
    ("sex", "expected"), [("0", "M"), ("1", "F"), ("1.0", "F"), ("", None), ("2", None), ("female", "F")]
)
def test_sex(tmp_path: Path, sex: str, expected: str | None) -> None:
    assert read_row(tmp_path, row(sex=sex)).sex == expected


@pytest.mark.parametrize(
    ("fold", "expected"),
    [("3", 3), ("10.0", 10), (" 1", 1), ("", None), ("0", None), ("11", None), ("9" * 9999, None), ("३", None)],
)
def test_fold(tmp_path: Path, fold: str, expected: int | None) -> None:
    assert read_row(tmp_path, row(fold=fold)).fold == expected


def test_cells_that_are_not_understood_are_shown(tmp_path: Path) -> None:
    raw = read_row(tmp_path, row(sex="weiblich", fold="elf", age="sehr alt", codes="NORM"))
    assert (raw.sex, raw.fold, raw.age, raw.labels) == (None, None, None, {})
    assert set(raw.notes) == {"BAD_SEX", "BAD_FOLD", "AGE_IMPLAUSIBLE", "BAD_LABELS"}
    assert {found.shown for found in raw.misread} == {
        "sex 'weiblich'", "strat_fold 'elf'", "age 'sehr alt'", "scp_codes 'NORM'",
    }  # fmt: skip


def test_a_repeated_record_with_other_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ecg_id 1 twice with different values"):
        list(READER.entries(archive(tmp_path, row(1), row(1, age="57.0"))))
    with pytest.raises(InputError, match=r"file name .* twice with different values"):
        list(READER.entries(archive(tmp_path, row(1), "9" + row(1)[1:])))
    assert len(list(READER.entries(archive(tmp_path, row(1), row(1))))) == 2


def test_a_row_of_another_width_is_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    first, second = READER.entries(archive(tmp_path, row(1, age="56,5"), row(2)))
    assert first.record == "ptbxl_database.csv, line 2: 10 cells where the heading has 9"
    with pytest.raises(RecordError) as caught:
        READER.read(tmp_path, first)
    assert caught.value.code == "ROW_WIDTH"
    assert second.record.endswith("00002_lr")


@pytest.mark.parametrize(
    ("likelihood", "expected"), [(0.0, True), (100.0, True), (50.0, True), (35.0, None), (15.0, None)]
)
def test_likelihood(tmp_path: Path, likelihood: float, expected: bool | None) -> None:
    labels = read_row(tmp_path, row(codes=f"{{'IMI': {likelihood}}}")).labels
    assert labels.get("MI") is expected
    assert labels["NORM"] is False


@pytest.mark.parametrize(
    "codes",
    [
        "{",
        "[1]",
        "{'NORM': -5}",
        "{'NORM': 1e999}",
        "{'NORM': 101}",
        "{'A': 'b'}",
        "{['a']: 1}",
        "__import__('os')",
        "(" * 300,
        "{" * 20000,
    ],
)
def test_codes_that_are_no_dictionary_are_not_annotated(tmp_path: Path, codes: str) -> None:
    raw = read_row(tmp_path, row(codes=codes))
    assert raw.labels == {}
    assert raw.notes == ("BAD_LABELS",)


@pytest.mark.parametrize("codes", ["", "{}"])
def test_no_codes_are_not_annotated(tmp_path: Path, codes: str) -> None:
    raw = read_row(tmp_path, row(codes=codes))
    assert (raw.labels, raw.notes) == ({}, ())


def test_other_columns_in_another_order(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "r/1", counts(ecg(1, 100)), fs=100)
    archive(tmp_path, "r/1,x", headings="filename_lr,comment")
    (entry,) = READER.entries(tmp_path)
    raw = READER.read(tmp_path, entry)
    assert (raw.patient, raw.age, raw.sex, raw.labels) == (None, None, None, {})


def test_missing_files_are_errors_of_their_records(tmp_path: Path) -> None:
    archive(tmp_path, row(1), "2,,,,,,,,")
    for entry in READER.entries(tmp_path):
        with pytest.raises(RecordError) as caught:
            READER.read(tmp_path, entry)
        assert caught.value.code == "MISSING_FILE"


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        list(READER.entries(tmp_path))
    write_wfdb(tmp_path / "a", counts(ecg(seconds=1)))
    with pytest.raises(InputError, match="--format wfdb"):
        list(READER.entries(tmp_path))
    with pytest.raises(InputError, match="filename_hr"):
        list(READER.entries(archive(tmp_path, "1", headings="ecg_id")))


def test_real_cohort(real_data: Path) -> None:
    root = real_data / "ptbxl"
    raws = [READER.read(root, entry, 1) for entry in READER.entries(root)]
    assert len(raws) == 1988
    assert len({raw.patient for raw in raws}) == 1851
    assert all(raw.age is not None and raw.age <= 90 and raw.sex for raw in raws)
    assert sum(raw.labels.get("AF", False) for raw in raws) == 100
    assert sum(raw.labels.get("NORM", False) for raw in raws) == 1051
