"""Tables: every row is right in every cell, or named and not used."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.archive.base import Notice
from cape_fed.archive.lines import MAX_LINE
from cape_fed.archive.rows import BadRow, Row
from cape_fed.archive.tables import find_table, read_rows, used_rows
from cape_fed.errors import InputError

TEXT = "id,age,sex\n1,61,F\n2,64,M\n3,70,F\n"
ROWS = [
    {"id": "1", "age": "61", "sex": "F"},
    {"id": "2", "age": "64", "sex": "M"},
    {"id": "3", "age": "70", "sex": "F"},
]


def write(folder: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def cells(path: Path, *required: str) -> list[dict[str, str]]:
    return [row.cells for row in read_rows(path, *required) if isinstance(row, Row)]


def faults(path: Path) -> list[tuple[str, str]]:
    """Code and place of everything but rows."""
    found = [row for row in read_rows(path) if not isinstance(row, Row)]
    return [(it.code, it.place if isinstance(it, BadRow) else it.examples[0]) for it in found]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_headings_and_order(tmp_path: Path, delimiter: str) -> None:
    rows = [[" Path ", "AGE"], ["a/b", "3"], ["c", ""], [], [" d ", " 5"]]
    path = write(tmp_path, "\n".join(delimiter.join(row) for row in rows) + "\n")
    expected = [{"path": "a/b", "age": "3"}, {"path": "c", "age": ""}, {"path": "d", "age": "5"}]
    assert cells(path, "path") == expected
    assert cells(write(tmp_path, f"sep={delimiter}\n".encode() + path.read_bytes())) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n", "\n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    path = write(tmp_path, TEXT.replace("F", "Fräulein").replace("\n", end), encoding)
    assert cells(path, "id") == [{**row, "sex": row["sex"].replace("F", "Fräulein")} for row in ROWS]
    assert [code for code, _ in faults(path)] == (["NON_UTF8"] if encoding == "cp1252" else [])


@pytest.mark.parametrize(
    ("line", "found"),
    [("2,64,0,M", 4), ("2,64", 2), ("2", 1), ("2,64,M,", 4), (",2,64,M", 4), ("2;64;M", 1), ('"2,64",M', 2)],
)
def test_a_row_of_another_width_is_named_and_not_used(tmp_path: Path, line: str, found: int) -> None:
    path = write(tmp_path, TEXT.replace("2,64,M", line))
    assert cells(path) == [ROWS[0], ROWS[2]]
    assert faults(path) == [("ROW_WIDTH", f"t.csv, line 3: {found} cells where the heading has 3")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('"2,64,M', "a quote is opened and not closed"),
        ('2,64,"M', "a quote is opened and not closed"),
        ('2,"64,M', "a quote is opened and not closed"),
        ('2,6"4,M', "a quote stands within a cell that is not in quotes"),
        ('"2"x,64,M', "text follows a closing quote"),
        ("2,6\x004,M", "it holds a NUL byte"),
        ("2,64," + "x" * (MAX_LINE + 10), "it is longer than any row"),
    ],
)
def test_a_damaged_row_is_named_and_hides_no_other(tmp_path: Path, line: str, reason: str) -> None:
    path = write(tmp_path, TEXT.replace("2,64,M", line))
    assert cells(path) == [ROWS[0], ROWS[2]]
    assert faults(path) == [("ROW_DAMAGED", f"t.csv, line 3: {reason}")]


def test_two_stray_quotes_do_not_make_one_row_of_two(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,age,sex\n1,"61,F\n2,64",M\n3,70,F\n')
    assert cells(path) == [ROWS[2]]
    assert [code for code, _ in faults(path)] == ["ROW_DAMAGED"] * 2


@pytest.mark.parametrize("ids", [("701", "702", "703", "704"), ("r/a1", "r/a2", "r/a3", "r/a4")])
@pytest.mark.parametrize("row", range(4))
def test_a_line_end_within_a_row_leaves_no_part_of_it(tmp_path: Path, ids: tuple[str, ...], row: int) -> None:
    lines = [f"{name},61,Sinus rhythm" for name in ids]
    for place in range(1, len(lines[row])):
        broken = [*lines[:row], lines[row][:place] + "\n" + lines[row][place:], *lines[row + 1 :]]
        found = [row["id"] for row in cells(write(tmp_path, "id,age,text\n" + "\n".join(broken) + "\n"))]
        assert set(found) <= {*ids[:row], *ids[row + 1 :]}, place
        assert len(found) >= 2


def test_a_row_cut_off_in_the_middle_takes_no_other_along(tmp_path: Path) -> None:
    path = write(tmp_path, "id,age\n701,61\n702,62\n703\n704,64\n")
    assert [row["id"] for row in cells(path)] == ["701", "702", "704"]
    assert [row["id"] for row in cells(write(tmp_path, "id,age\n701,61\n702,62\n70"))] == ["701", "702"]


def test_cells_in_quotes_may_hold_anything(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,codes,note\n1,"{\'A\': 1, \'B\': 2}","two\nlines, ""quoted"""\n2,,x\n')
    assert cells(path) == [
        {"id": "1", "codes": "{'A': 1, 'B': 2}", "note": 'two\nlines, "quoted"'},
        {"id": "2", "codes": "", "note": "x"},
    ]


def test_the_end_may_be_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT + "10")
    assert cells(path) == ROWS
    assert faults(path) == [
        ("ROW_WIDTH", "t.csv, line 5: 1 cells where the heading has 3"),
        ("OPEN_END", "t.csv, line 5"),
    ]
    assert faults(write(tmp_path, TEXT.rstrip())) == [("OPEN_END", "t.csv, line 4")]
    assert faults(write(tmp_path, TEXT)) == []


def test_headings_without_a_name_are_passed_over(tmp_path: Path) -> None:
    assert cells(write(tmp_path, ",id,,\n0,1,a,b\n")) == [{"id": "1"}]


def test_compressed(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    table = find_table(tmp_path, "t.csv")
    assert table is not None
    assert cells(table) == [{"id": "1"}]
    assert find_table(tmp_path, "u.csv") is None
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TEXT.encode() * 1000)[:-40])
    with pytest.raises(InputError, match=r"cannot be read: .* copy it again"):
        cells(table)
    data = bytearray(gzip.compress(TEXT.encode() * 1000))
    data[30:60] = bytes(30)
    (tmp_path / "t.csv.gz").write_bytes(data)
    with pytest.raises(InputError, match="cannot be read"):
        cells(table)


def test_streaming(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT * 20_000)
    rows = read_rows(path)
    assert next(rows) == Row(2, ROWS[0])
    path.write_bytes(b"")
    rows.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("file,age\n1,2\n", "no column id"),
        ("id,Age,age \n1,2,3\n", "the heading age twice"),
        ('id,"age\n1,2\n', "a quote that does not fit"),
    ],
)
def test_headings_that_cannot_be_used_are_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        cells(write(tmp_path, text), "id")


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table"):
        cells(tmp_path / "t.csv")
    (tmp_path / "u.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        cells(tmp_path / "u.csv.gz")


def test_what_is_wrong_is_collected_next_to_the_rows(tmp_path: Path) -> None:
    notices: list[Notice] = []
    rows = list(used_rows(write(tmp_path, TEXT + "4,5\n"), notices, "id"))
    assert [row.line for row in rows] == [2, 3, 4]
    assert notices == [Notice("ROW_WIDTH", ("t.csv, line 5: 2 cells where the heading has 3",))]


PLAIN = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.lists(PLAIN, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(",;\t"))
def test_what_the_csv_module_writes_is_read(rows: list[list[str]], delimiter: str) -> None:
    import tempfile

    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["a", "b", "c"], *rows])
    with tempfile.TemporaryDirectory() as folder:
        found = cells(write(Path(folder), text.getvalue()))
    written = [dict(zip("abc", row, strict=True)) for row in rows]
    assert found == [row for row in written if any(row.values()) or delimiter.strip()]
