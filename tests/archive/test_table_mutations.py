"""Tables damaged as tables are in practice: the right value, a finding, or one line; never another record's value.

Every record of the archives here has values of its own, so that one which turns up elsewhere is recognised.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cape_fed.archive.base import Notice, RawRecord, Reader, RecordError
from cape_fed.archive.findings import CATALOGUE
from cape_fed.archive.registry import get_reader
from cape_fed.errors import InputError
from cape_fed.vocabulary import VOCABULARY
from tests.archive.files import counts, ecg, write_wfdb
from tests.archive.test_code15 import write_part

RECORDS = 4
SIGNAL = counts(ecg(0, 100, 2.5))
Values = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One table of one format, whose rows are mutated, and what its undamaged form says."""

    form: str
    table: str
    ids: tuple[int, ...]
    """Columns of the table that hold identifiers."""
    write: Callable[[Path], None]
    """Writes the whole archive."""


def _records(root: Path) -> None:
    for number in range(RECORDS):
        write_wfdb(root / f"r/{number}", SIGNAL, fs=100)


def _age(number: int) -> int:
    return 31 + 11 * number


def _sex(number: int) -> str:
    return "FM"[number % 2]


def _table(root: Path, name: str, heading: str, row: Callable[[int], str]) -> None:
    text = "\n".join([heading, *map(row, range(RECORDS))]) + "\n"
    (root / name).write_text(text, encoding="utf-8")


def write_manifest(root: Path) -> None:
    _records(root)
    heading = "path,patient_id,age,sex,AF,LBBB"
    _table(root, "manifest.csv", heading, lambda n: f"r/{n},70{n},{_age(n)},{_sex(n)},{n % 2},{n // 2 % 2}")


def write_ptbxl(root: Path) -> None:
    _records(root)
    codes = ("{'NORM': 100.0, 'SR': 0.0}", "{'AFIB': 100.0}", "{'CLBBB': 100.0, 'SR': 0.0}", "{'PVC': 100.0}")
    heading = "ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr"
    row = '{n},70{n},{age},{sex},"{codes}",{fold},r/{n}'
    _table(
        root, "ptbxl_database.csv", heading,
        lambda n: row.format(n=n, age=_age(n), sex=int(_sex(n) == "F"), codes=codes[n], fold=n + 1),
    )  # fmt: skip


def write_code15(root: Path) -> None:
    write_part(root / "exams_part0.hdf5", {40 + number: ecg(number, 400, 2.5) for number in range(RECORDS)})
    heading = "exam_id,age,is_male,patient_id,AF,LBBB"
    _table(
        root, "exams.csv", heading,
        lambda n: f"{40 + n},{_age(n)},{_sex(n) == 'M'},70{n},{n % 2 == 1},{n // 2 % 2 == 1}",
    )  # fmt: skip


def write_mimic(root: Path) -> None:
    _records(root)
    reports = ("Sinus rhythm", "Atrial fibrillation", "Left bundle branch block", "Atrial flutter")
    heading = "subject_id,study_id,file_name,ecg_time,path"
    _table(root, "record_list.csv", heading, lambda n: f"70{n},40{n},40{n},2180-07-23 08:44:00,r/{n}")
    _table(
        root, "machine_measurements.csv", "subject_id,study_id,cart_id,report_0,report_1",
        lambda n: f"70{n},40{n},6,{reports[n]},",
    )  # fmt: skip
    _table(
        root, "patients.csv", "subject_id,gender,anchor_age,anchor_year,dod",
        lambda n: f"70{n},{_sex(n)},{_age(n)},2180,",
    )  # fmt: skip


WRITERS = {"manifest": write_manifest, "ptbxl": write_ptbxl, "code15": write_code15, "mimic-iv-ecg": write_mimic}
CASES: dict[tuple[str, str], Case] = {
    (form, table): Case(form, table, ids, WRITERS[form])
    for form, table, ids in (
        ("manifest", "manifest.csv", (1,)),
        ("ptbxl", "ptbxl_database.csv", (0, 1)),
        ("code15", "exams.csv", (0, 3)),
        ("mimic-iv-ecg", "record_list.csv", (0, 1)),
        ("mimic-iv-ecg", "machine_measurements.csv", (0, 1)),
        ("mimic-iv-ecg", "patients.csv", (0,)),
    )
}


def values(raw: RawRecord) -> Values:
    return {"patient": raw.patient, "age": raw.age, "sex": raw.sex, "fold": raw.fold} | {
        label: raw.labels.get(label) for label in VOCABULARY
    }


def look(reader: Reader, root: Path) -> tuple[dict[str, RawRecord], set[str], str]:
    """The records that can be read, the codes found, and the line by which the archive was refused."""
    raws: dict[str, RawRecord] = {}
    codes: set[str] = set()
    refusal = ""
    try:
        for entry in reader.entries(root):
            if isinstance(entry, Notice):
                codes.add(entry.code)
                continue
            try:
                raw = reader.read(root, entry)
                raws.setdefault(raw.record, raw)
                codes |= set(raw.notes)
            except RecordError as error:
                codes.add(error.code)
    except InputError as error:
        refusal = str(error)
    return raws, codes, refusal


ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")
Mutation = Callable[[str], str | bytes]


def _lines(text: str) -> list[str]:
    return text.splitlines()


def insert(text: str, row: int, place: float, what: str) -> str:
    """Put something into a row, the heading excepted."""
    lines = _lines(text)
    line = lines[row]
    at = round(place * len(line))
    lines[row] = line[:at] + what + line[at:]
    return "\n".join(lines) + "\n"


def drop_cell(text: str, row: int, cell: int) -> str:
    lines = _lines(text)
    cells = lines[row].split(",")
    del cells[cell % len(cells)]
    lines[row] = ",".join(cells)
    return "\n".join(lines) + "\n"


def repeat_heading(text: str, first: int, second: int) -> str:
    lines = _lines(text)
    headings = lines[0].split(",")
    headings[second % len(headings)] = headings[first % len(headings)].upper()
    lines[0] = ",".join(headings)
    return "\n".join(lines) + "\n"


def add_column(text: str, column: int, upper: bool) -> str:
    """Repeat a whole column at the end under its name."""
    lines = [line.split(",") for line in _lines(text.replace('"', "").replace(", ", " "))]
    place = column % len(lines[0])
    named = [lines[0][place].upper() if upper else lines[0][place]]
    rows = [[*lines[0], *named], *([*line, line[place]] for line in lines[1:])]
    return "\n".join(",".join(row) for row in rows) + "\n"


def repeat_row(text: str, row: int, other: int) -> str:
    """One row's identifiers with another row's values."""
    lines = _lines(text)
    return "\n".join([*lines, lines[row].split(",")[0] + "," + ",".join(lines[other].split(",")[1:])]) + "\n"


def retype(text: str, columns: tuple[int, ...], how: str) -> str:
    rows = [line.split(",") for line in _lines(text)]
    for row in rows[1:]:
        for column in columns:
            row[column] = how.format(row[column])
    return "\n".join(",".join(row) for row in rows) + "\n"


KINDS = ("width", "quote", "newline", "nul", "cut", "heading", "column", "row", "ids", "bytes")


@st.composite
def mutations(draw: st.DrawFn, case: Case) -> tuple[Mutation, bool]:
    """One kind of damage, and whether every value has to survive it."""
    rows, place = st.integers(1, RECORDS), st.floats(0, 1)
    kind = draw(st.sampled_from(KINDS))
    if kind == "width":
        stray = draw(st.sampled_from((",", ",,", ",x,", ",5,")))
        inserted = partial(insert, row=draw(rows), place=draw(place), what=stray)
        dropped = partial(drop_cell, row=draw(rows), cell=draw(st.integers(0, 9)))
        return draw(st.sampled_from((inserted, dropped))), False
    if kind in ("quote", "newline", "nul"):
        what = {"quote": '"', "newline": "\n", "nul": "\0"}[kind]
        first = partial(insert, row=draw(rows), place=draw(place), what=what)
        second = partial(insert, row=draw(rows), place=draw(place), what=what)
        if kind == "newline" or draw(st.booleans()):
            return first, False
        return (lambda text: second(first(text))), False
    if kind == "cut":
        share = draw(place)
        return (lambda text: text[: round(share * len(text))]), False
    if kind == "heading":
        return partial(repeat_heading, first=draw(st.integers(0, 9)), second=draw(st.integers(0, 9))), False
    if kind == "column":
        return partial(add_column, column=draw(st.integers(0, 9)), upper=draw(st.booleans())), False
    if kind == "row":
        return partial(repeat_row, row=draw(rows), other=draw(rows)), False
    if kind == "ids":
        how = draw(st.sampled_from(("{}.0", "b'{}'", " {} ", "{}.00", '"{}"', '" {}.0"', "{}.")))
        return partial(retype, columns=case.ids, how=how), True
    encoding, end = draw(st.sampled_from(ENCODINGS)), draw(st.sampled_from(("\n", "\r\n", "\r", "\n\n")))
    return (lambda text: text.replace("\n", end).encode(encoding)), True


def check(case: Case, expected: Mapping[str, Values], mutation: Mutation, is_harmless: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        case.write(root)
        path = root / case.table
        damaged = mutation(path.read_text(encoding="utf-8"))
        path.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
        raws, codes, refusal = look(get_reader(case.form), root)
    assert codes <= set(CATALOGUE)
    assert "\n" not in refusal
    differs = set(raws) != set(expected)
    for name, raw in raws.items():
        if name not in expected:  # a name that was damaged: no file of ours has it
            continue
        found, right = values(raw), expected[name]
        others = [other for record, other in expected.items() if record != name]
        for key, value in found.items():
            if value != right[key]:
                differs = True
                assert value is None or is_of_the_cell(value, right[key]), (name, key, value)
                assert value is None or all(value != other[key] for other in others), (name, key, value)
    assert not (is_harmless and differs), (codes, refusal)
    assert not differs or codes or refusal or is_a_shorter_listing(damaged, raws, expected)


def is_a_shorter_listing(damaged: str | bytes, raws: Mapping[str, RawRecord], expected: Mapping[str, Values]) -> bool:
    """Whether the table was cut off between two rows, which nobody can see who does not know how many there were."""
    ends = damaged if isinstance(damaged, str) else ""
    return ends.endswith("\n") and all(values(raw) == expected[name] for name, raw in raws.items())


def is_of_the_cell(value: object, right: object) -> bool:
    """Whether a value is what is left of the right one where the table was cut off in it."""
    return str(right).removesuffix(".0").startswith(str(value).removesuffix(".0"))


def undamaged(case: Case) -> dict[str, Values]:
    with tempfile.TemporaryDirectory() as folder:
        case.write(Path(folder))
        raws, codes, refusal = look(get_reader(case.form), Path(folder))
    assert not refusal
    assert codes <= {"ZERO_PADDED"}
    assert len(raws) == RECORDS
    found = {name: values(raw) for name, raw in raws.items()}
    for number, told in enumerate(found.values()):
        assert (told["patient"], told["age"], told["sex"]) == (f"70{number}", _age(number), _sex(number))
    assert len({tuple(told.items()) for told in found.values()}) == RECORDS
    return found


def property_over(case: Case, examples: int) -> None:
    expected = undamaged(case)

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mutations(case))
    def holds(drawn: tuple[Mutation, bool]) -> None:
        check(case, expected, *drawn)

    holds()


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: f"{case.form}-{case.table}")
def test_mutated_tables(case: Case) -> None:
    property_over(case, 60)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: f"{case.form}-{case.table}")
def test_mutated_tables_at_length(case: Case) -> None:
    property_over(case, 2000)


@pytest.mark.parametrize("kind", ["f8", "f4", "i4", "S", "O", "u8"])
def test_types_of_ids_in_hdf5_parts(tmp_path: Path, kind: str) -> None:
    case = CASES["code15", "exams.csv"]
    case.write(tmp_path)
    with h5py.File(tmp_path / "exams_part0.hdf5", "r+") as file:
        ids = file["exam_id"][:]
        del file["exam_id"]
        text = [str(number) for number in ids]
        typed = {"S": np.array(text, "S"), "O": np.array(text, h5py.string_dtype())}
        file["exam_id"] = typed[kind] if kind in typed else ids.astype(kind)
    raws, codes, _ = look(get_reader("code15"), tmp_path)
    assert {name: values(raw) for name, raw in raws.items()} == undamaged(case)
    assert codes <= {"ZERO_PADDED"}
