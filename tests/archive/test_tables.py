from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cape_fed.archive.tables import find_table, read_rows
from cape_fed.errors import InputError


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_headings_and_order(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    rows = [[" Path ", "AGE"], ["a/b", "3"], ["c", ""], [], ["d"]]
    path.write_text("\n".join(delimiter.join(row) for row in rows))
    assert list(read_rows(path, "path")) == [{"path": "a/b", "age": "3"}, {"path": "c", "age": ""}, {"path": "d"}]


def test_quotes_byte_order_mark_and_foreign_bytes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfid,codes\n1,\"{'A': 1, 'B': 2}\"\nM\xfcller,\"two\nlines\"\n")
    assert [*read_rows(path)] == [
        {"id": "1", "codes": "{'A': 1, 'B': 2}"},
        {"id": "M\\xfcller", "codes": "two\nlines"},
    ]


def test_compressed(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    table = find_table(tmp_path, "t.csv")
    assert table is not None
    assert [*read_rows(table)] == [{"id": "1"}]
    assert find_table(tmp_path, "u.csv") is None


def test_streaming(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id\n1\n2\n" + "x" * 200_000 + "\n")
    rows = read_rows(path)
    assert next(rows) == {"id": "1"}
    with pytest.raises(InputError, match="cannot be read"):
        list(rows)


def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table"):
        list(read_rows(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(InputError, match="no column path"):
        list(read_rows(tmp_path / "t.csv", "path"))
    (tmp_path / "u.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        list(read_rows(tmp_path / "u.csv.gz"))
